// What Microsoft's JavaScript SDK makes of the same input. One JSON document in, one out.
"use strict";
const path = require("path");
const root = path.join(process.env.SENSOR_TUI_NODE_MODULES, "@azure", "cosmos");
const internal = (name) => require(path.join(root, "dist", "commonjs", "utils", ...name.split("/")));

function hash({ keys }) {
  const { hashV2PartitionKey } = internal("hashing/v2.js");
  const { hashV1PartitionKey } = internal("hashing/v1.js");
  return keys.map((key) => {
    const component = Array.isArray(key) ? undefined : key;
    return [
      hashV2PartitionKey([component]),
      typeof component === "string" ? hashV1PartitionKey([component]) : null,
    ];
  });
}

async function sign({ key, requests, date }) {
  const { generateHeaders } = internal("headers.js");
  const found = [];
  for (const [method, kind, link] of requests) {
    found.push(await generateHeaders(key, method, kind, link, new Date(date)));
  }
  return found;
}

async function bulk({ endpoint, key, database, container, documents, keyField }) {
  const { CosmosClient } = require(root);
  const client = new CosmosClient({ endpoint, key });
  const operations = documents.map((resourceBody) => ({
    operationType: "Create",
    partitionKey: resourceBody[keyField],
    resourceBody,
  }));
  const answers = await client
    .database(database)
    .container(container)
    .items.executeBulkOperations(operations, { contentResponseOnWriteEnabled: false });
  client.dispose();
  return answers.map(({ response, error }) => (error ? error.code : response.statusCode));
}

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const work = { hash, sign, bulk }[process.argv[2]];
  process.stdout.write(JSON.stringify(await work(JSON.parse(Buffer.concat(chunks).toString()))));
}

main();
