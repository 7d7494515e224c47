// Use a cluster, whichever node has the slot.
const Redis = require("ioredis");
const { places, tls, use } = require("./login");

use(new Redis.Cluster(places, {
  redisOptions: { username: process.env.WRITER_USER, password: process.env.WRITER_PASSWORD, tls },
}), "ioredis");
