// What the clients have in common. argv: FOLDER HOST:PORT...; FOLDER has ca.crt, app.crt and app.key.
const fs = require("fs");

const [folder, ...targets] = process.argv.slice(2);

exports.places = targets.map((target) => {
  const at = target.lastIndexOf(":");
  return { host: target.slice(0, at), port: Number(target.slice(at + 1)) };
});

exports.tls = {
  ca: fs.readFileSync(folder + "/ca.crt"),
  cert: fs.readFileSync(folder + "/app.crt"),
  key: fs.readFileSync(folder + "/app.key"),
};

// Write and read keys, ask for what is not allowed, and print it all.
exports.use = async (client, name) => {
  client.on("error", (error) => { console.error(String(error)); });
  const said = [];
  for (let number = 0; number < 6; number++) {
    await client.set(`app:${name}:${number}`, number);
    said.push(await client.get(`app:${name}:${number}`));
  }
  const refused = await client.get("other:1").catch((error) => error.message.split(" ")[0]);
  console.log(JSON.stringify({ said: said.join(""), refused }));
  client.disconnect();
};

setTimeout(() => { console.error("no end within 20 s"); process.exit(1); }, 20000).unref();
