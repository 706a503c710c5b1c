// The Cosmos server of others, on a free port of loopback, with the certificate given on standard input.
"use strict";
const path = require("path");
const { createHttpsServer } = require(
  path.join(process.env.SENSOR_TUI_NODE_MODULES, "@vercel", "cosmosdb-server"),
);
const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", () => {
  const { cert, key } = JSON.parse(Buffer.concat(chunks).toString());
  const server = createHttpsServer({ cert, key, keepAlive: true }).listen(0, "127.0.0.1", () => {
    process.stdout.write(`${server.address().port}\n`);
  });
});
