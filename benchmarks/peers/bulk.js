// @azure/cosmos executeBulkOperations over documents prepared in a file, one JSON document a line.
// Usage: node bulk.js ENDPOINT KEY FILE; prints JSON with CPU microseconds and seconds.
const { CosmosClient } = require("@azure/cosmos");
const fs = require("fs");

async function main() {
  const [endpoint, key, file] = process.argv.slice(2);
  const client = new CosmosClient({ endpoint, key });
  const container = client.database("SensorData").container("SensorReadings");
  const documents = fs.readFileSync(file, "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const operations = (some) =>
    some.map((document) => ({ operationType: "Create", partitionKey: document.city, resourceBody: document }));
  await container.items.executeBulkOperations(operations(documents.slice(0, 200)));
  const cpu = process.cpuUsage();
  const started = process.hrtime.bigint();
  let done = 0;
  for (let first = 0; first < documents.length; first += 10000) {
    const results = await container.items.executeBulkOperations(operations(documents.slice(first, first + 10000)));
    done += results.filter((each) => each.response && each.response.statusCode === 201).length;
  }
  const used = process.cpuUsage(cpu);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  console.log(JSON.stringify({ documents: done, cpu_us: used.user + used.system, seconds }));
  client.dispose();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
