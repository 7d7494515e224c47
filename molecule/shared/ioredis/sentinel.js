// Find the master by Sentinels, and use it.
const Redis = require("ioredis");
const { places, tls, use } = require("./login");

use(new Redis({
  sentinels: places,
  name: "mymaster",
  sentinelUsername: process.env.WRITER_SENTINEL_USER,
  sentinelPassword: process.env.WRITER_SENTINEL_PASSWORD,
  sentinelTLS: tls,
  enableTLSForSentinelMode: true,
  username: process.env.WRITER_USER,
  password: process.env.WRITER_PASSWORD,
  tls,
}), "ioredis");
