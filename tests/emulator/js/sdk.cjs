// Drives the endpoint with the unmodified @azure/cosmos SDK. Prints one JSON line of what it saw; fails loudly.
// Environment: EMULATOR_URL, EMULATOR_KEY, NODE_PATH (where @azure/cosmos is).
"use strict";
const assert = require("node:assert/strict");
const { CosmosClient } = require("@azure/cosmos");

const endpoint = process.env.EMULATOR_URL;
const key = process.env.EMULATOR_KEY;
const seen = {};

async function control(method, path, body) {
  const answer = await fetch(`${endpoint}/_control${path}`, {
    method,
    headers: { "x-emulator-key": key, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
}

async function refused(promise, code) {
  try {
    await promise;
  } catch (error) {
    assert.equal(error.code, code, error.message);
    return error;
  }
  assert.fail(`expected ${code}`);
}

const create = (document) => ({ operationType: "Create", partitionKey: document.city, resourceBody: { ...document } });

function allCreated(results) {
  const odd = results.find((result) => result.response?.statusCode !== 201);
  assert.equal(odd, undefined, JSON.stringify(odd?.error ?? odd));
}

async function main() {
  const client = new CosmosClient({ endpoint, key, connectionPolicy: { retryOptions: { maxRetryAttemptCount: 9 } } });
  const { database } = await client.databases.createIfNotExists({ id: "js" });
  const { container } = await database.containers.createIfNotExists({
    id: "readings",
    partitionKey: { paths: ["/city"], version: 2 },
  });

  // Create, read, replace, upsert, patch, delete.
  const made = await container.items.create({ id: "one", city: "Zürich", n: 1 });
  assert.equal(made.statusCode, 201);
  assert.ok(made.requestCharge > 0);
  assert.equal((await container.item("one", "Zürich").read()).resource.n, 1);
  assert.equal((await container.item("one", "Zürich").replace({ id: "one", city: "Zürich", n: 2 })).resource.n, 2);
  assert.equal((await container.items.upsert({ id: "one", city: "Zürich", n: 3 })).resource.n, 3);
  const patched = await container.item("one", "Zürich").patch([{ op: "incr", path: "/n", value: 4 }]);
  assert.equal(patched.resource.n, 7);
  await refused(container.items.create({ id: "one", city: "Zürich" }), 409);
  assert.equal((await container.item("one", "Zürich").delete()).statusCode, 204);
  assert.equal((await container.item("one", "Zürich").read()).statusCode, 404);

  // Bulk: a few hundred documents over every range, twice.
  const cities = Array.from({ length: 24 }, (_, number) => `city-${number}`);
  const documents = Array.from({ length: 240 }, (_, number) => ({
    id: `r${number}`,
    city: cities[number % cities.length],
    n: (number * 37) % 101,
  }));
  const operations = documents.map(create);
  const first = await container.items.executeBulkOperations(operations);
  allCreated(first);
  const second = await container.items.executeBulkOperations(operations);
  assert.ok(second.every((result) => result.error?.code === 409));
  seen.bulk = first.length;

  // Paging.
  const reader = container.items.readAll({ maxItemCount: 17 });
  const pages = [];
  while (reader.hasMoreResults()) {
    const page = await reader.fetchNext();
    pages.push(page.resources?.length ?? 0);
  }
  assert.equal(pages.reduce((sum, count) => sum + count, 0), documents.length);
  assert.ok(Math.max(...pages) <= 17);
  seen.pages = pages.length;

  // Queries over many ranges.
  const ask = async (query, options) => (await container.items.query(query, options).fetchAll()).resources;
  const numbers = documents.map((document) => document.n);
  const sorted = [...numbers].sort((a, b) => a - b);
  assert.deepEqual(await ask("SELECT VALUE COUNT(1) FROM c"), [documents.length]);
  assert.deepEqual(await ask("SELECT VALUE SUM(c.n) FROM c"), [numbers.reduce((sum, n) => sum + n, 0)]);
  assert.deepEqual(await ask("SELECT VALUE MIN(c.n) FROM c"), [sorted[0]]);
  assert.deepEqual(await ask("SELECT VALUE MAX(c.n) FROM c"), [sorted.at(-1)]);
  const [average] = await ask("SELECT VALUE AVG(c.n) FROM c");
  assert.ok(Math.abs(average - numbers.reduce((sum, n) => sum + n, 0) / numbers.length) < 1e-9);
  assert.deepEqual(await ask("SELECT VALUE c.n FROM c ORDER BY c.n", { maxItemCount: 13 }), sorted);
  assert.deepEqual(await ask("SELECT TOP 5 VALUE c.n FROM c ORDER BY c.n DESC"), [...sorted].reverse().slice(0, 5));
  assert.deepEqual(await ask("SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 7 LIMIT 6"), sorted.slice(7, 13));
  assert.deepEqual(
    (await ask("SELECT DISTINCT VALUE c.city FROM c")).sort(),
    [...cities].sort(),
  );
  const groups = await ask("SELECT c.city, COUNT(1) AS many, AVG(c.n) AS mean, MAX(c.n) AS most FROM c GROUP BY c.city");
  assert.equal(groups.length, cities.length);
  for (const group of groups) {
    const mine = documents.filter((document) => document.city === group.city).map((document) => document.n);
    assert.equal(group.many, mine.length);
    assert.equal(group.most, Math.max(...mine));
    assert.ok(Math.abs(group.mean - mine.reduce((sum, n) => sum + n, 0) / mine.length) < 1e-9);
  }
  assert.deepEqual((await ask("SELECT COUNT(1) AS many FROM c"))[0], { many: documents.length });
  const few = await ask({
    query: "SELECT c.id, c.n FROM c WHERE c.city = @city AND c.n BETWEEN 10 AND 60",
    parameters: [{ name: "@city", value: "city-3" }],
  });
  assert.equal(few.length, documents.filter((one) => one.city === "city-3" && one.n >= 10 && one.n <= 60).length);

  // Transactional batch: all, then none.
  const batch = (extra) =>
    container.items.batch(
      [
        { operationType: "Create", resourceBody: { id: "b1", city: "city-1" } },
        { operationType: "Upsert", resourceBody: { id: "b2", city: "city-1" } },
        ...extra,
      ],
      "city-1",
    );
  const good = await batch([]);
  assert.deepEqual(good.result.map((one) => one.statusCode), [201, 201]);
  const bad = await batch([{ operationType: "Delete", id: "nobody" }]);
  assert.equal(bad.code, 207);
  assert.deepEqual(bad.result.map((one) => one.statusCode), [409, 424, 424]);
  await container.item("b1", "city-1").delete();
  await container.item("b2", "city-1").delete();

  // Throughput.
  const { resource: offer } = await container.readOffer();
  assert.equal(offer.content.offerThroughput, 400);
  offer.content.offerThroughput = 800;
  await client.offer(offer.id).replace(offer);
  assert.equal((await container.readOffer()).resource.content.offerThroughput, 800);

  // A split between two bulk requests, and another in the middle of one.
  const before = (await control("GET", "/ranges/js/readings")).ranges;
  await control("POST", "/split", { db: "js", coll: "readings", range_id: before[0].id });
  const more = (from, count) =>
    Array.from({ length: count }, (_, number) =>
      create({ id: `s${from + number}`, city: cities[number % cities.length], n: 0 }),
    );
  const afterSplit = await container.items.executeBulkOperations(more(0, 48));
  allCreated(afterSplit);
  await control("POST", "/faults", { action: "split", kind: "bulk" });
  const duringSplit = await container.items.executeBulkOperations(more(1000, 96));
  allCreated(duringSplit);
  seen.ranges = (await control("GET", "/ranges/js/readings")).ranges.length;
  assert.equal(seen.ranges, before.length + 2);
  assert.deepEqual(await ask("SELECT VALUE COUNT(1) FROM c"), [documents.length + 144]);

  // Throttling: one whole request, then single operations of a bulk request.
  await control("POST", "/faults", { action: "throttle", kind: "create", times: 2, retry_after_ms: 5 });
  const throttled = await container.items.create({ id: "t1", city: "city-1" });
  assert.equal(throttled.statusCode, 201);
  assert.equal(Number(throttled.headers["x-ms-throttle-retry-count"] ?? 2), 2);
  await control("POST", "/faults", { action: "throttle", kind: "bulk", operations: [0], retry_after_ms: 5 });
  const someThrottled = await container.items.executeBulkOperations(more(2000, 24));
  allCreated(someThrottled);
  const hits = (await control("GET", "/faults")).faults.map((fault) => fault.hits);
  assert.deepEqual(hits, [1, 2, 1]);

  assert.equal((await container.delete()).statusCode, 204);
  assert.equal((await database.delete()).statusCode, 204);
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
