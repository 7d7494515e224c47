// BullMQ as an application uses it: a worker, a result, a delayed job, one that repeats. REDIS_* say where and as whom.
const { Queue, QueueEvents, Worker } = require("bullmq");

const { REDIS_HOST: host, REDIS_PORT: port, REDIS_USER: username, REDIS_PASSWORD: password } = process.env;
const options = { prefix: "shop", connection: { host, port: Number(port), username, password } };
const limiter = { max: 100, duration: 1000 };
const loud = (one) => one.on("error", (error) => { console.error(String(error)); process.exitCode = 1; });

async function main() {
  const queue = loud(new Queue("mail", options));
  const events = loud(new QueueEvents("mail", options));
  const worker = loud(new Worker("mail", async (job) => job.data.x + 1, { ...options, limiter }));
  await events.waitUntilReady();
  const now = await queue.add("now", { x: 1 });
  const later = await queue.add("later", { x: 2 }, { delay: 300, attempts: 2 });
  await queue.upsertJobScheduler("daily", { pattern: "0 3 * * *" }, { name: "daily", data: { x: 3 } });
  const found = [await now.waitUntilFinished(events), await later.waitUntilFinished(events)];
  if (String(found) !== "2,3") throw new Error("found " + found);
  const counts = await queue.getJobCounts("completed", "delayed");
  if (counts.completed !== 2 || counts.delayed !== 1) throw new Error(JSON.stringify(counts));
  await queue.removeJobScheduler("daily");
  await worker.close();
  await events.close();
  await queue.close();
}

main().catch((error) => { console.error(error); process.exitCode = 1; });
setTimeout(() => { console.error("no end within 60 s"); process.exit(1); }, 60000).unref();
