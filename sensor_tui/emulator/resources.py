"""The control plane: account, databases, containers, their throughput and their partition key ranges."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson

from sensor_tui.emulator.answers import (
    CONFLICT,
    JSON,
    PRECONDITION,
    SUBSTATUS_OWNER_NOT_FOUND,
    Answer,
    CosmosError,
    bad_request,
    not_found,
)
from sensor_tui.emulator.budget import METADATA, Budgets
from sensor_tui.emulator.catalog import Container, Database, Json, even_ranges
from sensor_tui.emulator.hashing import V1, V2
from sensor_tui.emulator.operations import check_id
from sensor_tui.emulator.requests import Request
from sensor_tui.emulator.settings import EmulatorSettings
from sensor_tui.emulator.store import Store

ACCOUNT = "sensor-tui-emulator"
REGION = "Local"
MIN_THROUGHPUT = 400
_DEFAULT_INDEXING: Json = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": '/"_etag"/?'}],
}
_MUTABLE = (
    "indexingPolicy",
    "defaultTtl",
    "conflictResolutionPolicy",
    "analyticalStorageTtl",
    "uniqueKeyPolicy",
)
_SERVERLESS = (
    "Setting offer throughput or autopilot on container is not supported for serverless accounts. "
    "Learn more: https://aka.ms/cosmos-serverless"
)


def account(request: Request) -> Answer:
    """The account document; its locations echo scheme and Host of the request, as clients follow them."""
    where = [{"name": REGION, "databaseAccountEndpoint": f"{request.origin}/"}]
    document = {
        "_self": "",
        "id": ACCOUNT,
        "_rid": f"{ACCOUNT}.{urlsplit(request.origin).hostname}",
        "media": "//media/",
        "addresses": "//addresses/",
        "_dbs": "//dbs/",
        "writableLocations": where,
        "readableLocations": where,
        "enableMultipleWriteLocations": False,
        "continuousBackupEnabled": False,
        "enableNRegionSynchronousCommit": False,
        "userReplicationPolicy": {"asyncReplication": False, "minReplicaSetSize": 1, "maxReplicasetSize": 4},
        "userConsistencyPolicy": {"defaultConsistencyLevel": "Session"},
        "systemReplicationPolicy": {"minReplicaSetSize": 1, "maxReplicasetSize": 4},
        "readPolicy": {"primaryReadCoefficient": 1, "secondaryReadCoefficient": 1},
        "queryEngineConfiguration": '{"maxJoinsPerSqlQuery":0,"maxSqlQueryInputLength":524288}',
    }
    return answer(document)


def answer(document: Json, status: int = 200, charge: float = METADATA) -> Answer:
    """A resource as an answer, with its etag."""
    headers = {"content-type": JSON}
    if "_etag" in document:
        headers["etag"] = document["_etag"]
    return Answer(status, orjson.dumps(document), headers, charge)


class Resources:
    """Handlers of everything that is not a document."""

    def __init__(self, settings: EmulatorSettings, store: Store, budgets: Budgets) -> None:
        self._settings = settings
        self._store = store
        self._budgets = budgets
        self._etags = 0

    def handle(self, request: Request, select: Callable[[list[Json], Any], list[Any]]) -> Answer:
        """Answer a request to anything but documents; `select` runs a query over a few resources.

        Raises:
            CosmosError: as the service refuses it.
        """
        if request.kind == "":
            if request.verb != "GET":
                raise method_not_allowed(request)
            return account(request)
        handler = {
            "dbs": self._databases,
            "colls": self._containers,
            "pkranges": self._ranges,
            "offers": self._offers,
        }[request.kind]
        found = handler(request)
        if isinstance(found, Answer):
            return found
        name, rid, documents = found
        if request.verb == "POST":
            documents = select(documents, request.json_object())
        body = {"_rid": rid, name: documents, "_count": len(documents)}
        return Answer(
            200, orjson.dumps(body), {"content-type": JSON, "x-ms-item-count": str(len(documents))}, METADATA
        )

    def _etag(self, now: float) -> str:
        self._etags += 1
        return f'"{self._etags:08x}-0000-0200-0000-{int(now) & 0xFFFFFFFF:08x}0000"'

    def database(self, request: Request) -> Database:
        """The database a request names, by id or resource id.

        Raises:
            CosmosError: 404, there is none.
        """
        name = request.names["dbs"]
        database = self._store.databases.get(name)
        if database is None:
            database = next((one for one in self._store.databases.values() if one.rid == name), None)
        if database is None:
            missing = request.kind != "dbs"
            raise not_found(substatus=SUBSTATUS_OWNER_NOT_FOUND if missing else 0)
        return database

    def container(self, request: Request) -> Container:
        """The container a request names, by id or resource id.

        Raises:
            CosmosError: 404, there is none.
        """
        database = self.database(request)
        name = request.names["colls"]
        container = self._store.containers.get((database.id, name))
        if container is None:
            container = next((one for one in self._in(database) if one.rid == name), None)
        if container is None:
            raise not_found(substatus=0 if request.kind == "colls" else SUBSTATUS_OWNER_NOT_FOUND)
        return container

    def _in(self, database: Database) -> list[Container]:
        return [one for one in self._store.containers.values() if one.database is database]

    def _databases(self, request: Request) -> Answer | tuple[str, str, list[Json]]:
        if request.item:
            database = self.database(request)
            if request.verb == "GET":
                return answer(database.document())
            if request.verb == "DELETE":
                for container in self._store.drop_database(database):
                    self._budgets.forget(container)
                return Answer(204, charge=METADATA)
            raise method_not_allowed(request)
        if request.verb == "GET" or (request.verb == "POST" and request.is_query):
            return "Databases", "", [one.document() for one in self._store.databases.values()]
        if request.verb != "POST":
            raise method_not_allowed(request)
        body = request.json_object()
        database_id = _new_id(body)
        if database_id in self._store.databases:
            raise CosmosError(409, CONFLICT)
        throughput = self._throughput(request)
        database = self._store.add_database(database_id, self._etag(request.now), int(request.now))
        self._add_offer(database.rid, database.self_link, throughput, request)
        return answer(database.document(), 201)

    def _containers(self, request: Request) -> Answer | tuple[str, str, list[Json]]:
        if request.item:
            return self._container(request)
        database = self.database(request)
        if request.verb == "GET" or (request.verb == "POST" and request.is_query):
            return "DocumentCollections", database.rid, [one.document() for one in self._in(database)]
        if request.verb != "POST":
            raise method_not_allowed(request)
        body = request.json_object()
        container_id = _new_id(body)
        definition = _partition_key(body.get("partitionKey"))
        if (database.id, container_id) in self._store.containers:
            raise CosmosError(409, CONFLICT)
        throughput = self._throughput(request)
        properties = {
            "indexingPolicy": _DEFAULT_INDEXING,
            **{name: value for name, value in body.items() if not name.startswith("_") and name != "id"},
            "partitionKey": definition,
        }
        version = V2 if definition.get("version") == V2 else V1
        container = self._store.add_container(
            database,
            container_id,
            properties,
            even_ranges(self._settings.partitions, version),
            etag=self._etag(request.now),
            ts=int(request.now),
        )
        if self._store.offer(database.rid) is None and not self._settings.serverless:
            throughput = throughput or {"offerThroughput": MIN_THROUGHPUT}
        self._add_offer(container.rid, container.self_link, throughput, request)
        return answer(container.document(), 201)

    def _container(self, request: Request) -> Answer:
        container = self.container(request)
        if request.verb == "GET":
            return answer(container.document())
        if request.verb == "DELETE":
            self._store.drop_container(container)
            self._budgets.forget(container)
            return Answer(204, charge=METADATA)
        if request.verb != "PUT":
            raise method_not_allowed(request)
        body = request.json_object()
        condition = request.headers.get("if-match")
        if condition is not None and condition not in {"*", container.etag}:
            raise CosmosError(412, PRECONDITION)
        if body.get("id") != container.id:
            raise bad_request("Replacing the id of a container is not possible")
        definition = _partition_key(body.get("partitionKey", container.properties["partitionKey"]))
        old = container.properties["partitionKey"]
        if (definition["paths"], definition.get("version", V1)) != (old["paths"], old.get("version", V1)):
            raise bad_request("Document collection partition key cannot be changed.")
        properties = dict(container.properties)
        for name in _MUTABLE:
            properties.pop(name, None)
            if name in body:
                properties[name] = body[name]
        properties.setdefault("indexingPolicy", _DEFAULT_INDEXING)
        self._store.replace_container(
            container, properties, etag=self._etag(request.now), ts=int(request.now)
        )
        return answer(container.document())

    def _ranges(self, request: Request) -> Answer | tuple[str, str, list[Json]]:
        container = self.container(request)
        if request.verb != "GET":
            raise method_not_allowed(request)
        if request.item:
            one = container.range_by_id(request.names["pkranges"])
            if one is None:
                raise not_found()
            return answer(container.range_document(one))
        etag = f'"{container.lsn}"'
        ranges = container.ranges
        known = request.headers.get("if-none-match")
        if known is not None and "a-im" in request.headers:
            # An incremental feed: only what changed since; clients read on until they see 304.
            if known == etag:
                return Answer(304, b"", {"etag": etag}, METADATA)
            since = known.strip('"')
            if since.isdigit():
                ranges = [one for one in ranges if one.lsn > int(since)]
        documents = [container.range_document(one) for one in ranges]
        body = {"_rid": container.rid, "PartitionKeyRanges": documents, "_count": len(documents)}
        return Answer(200, orjson.dumps(body), {"content-type": JSON, "etag": etag}, METADATA)

    def _throughput(self, request: Request) -> Json | None:
        """The throughput a creation asks for."""
        manual = request.headers.get("x-ms-offer-throughput")
        autoscale = request.headers.get("x-ms-cosmos-offer-autopilot-settings")
        if manual is None and autoscale is None:
            return None
        if self._settings.serverless:
            raise bad_request(_SERVERLESS)
        if autoscale is not None:
            try:
                settings = orjson.loads(autoscale)
            except orjson.JSONDecodeError:
                settings = None
            if not isinstance(settings, dict) or not _is_throughput(settings.get("maxThroughput")):
                raise bad_request("The value of offer autopilot settings specified is invalid.")
            return {
                "offerThroughput": max(MIN_THROUGHPUT, settings["maxThroughput"] // 10),
                "offerAutopilotSettings": settings,
            }
        if not str(manual).isdigit() or not _is_throughput(int(str(manual))):
            raise bad_request(
                "The offer should have valid throughput values between 400 and 1000000 inclusive in "
                "increments of 100."
            )
        return {"offerThroughput": int(str(manual))}

    def _add_offer(self, rid: str, link: str, content: Json | None, request: Request) -> None:
        if content is None:
            return
        full = {
            "offerIsRUPerMinuteThroughputEnabled": False,
            "offerMinimumThroughputParameters": {},
            **content,
        }
        # An offer's id is four characters: the resource's own, which is unique, keeps it simple.
        offer = rid.rstrip("=").replace("+", "x").lower()
        self._store.put_offer(offer, rid, link, full, etag=self._etag(request.now), ts=int(request.now))

    def _offers(self, request: Request) -> Answer | tuple[str, str, list[Json]]:
        if not request.item:
            if request.verb == "GET" or (request.verb == "POST" and request.is_query):
                return "Offers", "", self._store.offers()
            raise method_not_allowed(request)
        name = request.names["offers"].lower()
        offer = next(iter(self._store.offers("WHERE rid = ?", name)), None)
        if offer is None:
            raise not_found()
        if request.verb == "GET":
            return answer(offer)
        if request.verb != "PUT":
            raise method_not_allowed(request)
        content = request.json_object().get("content")
        if not isinstance(content, dict) or not _is_throughput(content.get("offerThroughput")):
            raise bad_request(
                "The offer should have valid throughput values between 400 and 1000000 inclusive in "
                "increments of 100."
            )
        self._store.put_offer(
            offer["id"], offer["offerResourceId"], offer["resource"], {**offer["content"], **content},
            etag=self._etag(request.now), ts=int(request.now),
        )  # fmt: skip
        if self._settings.ru_per_second is not None:
            owned = [one for one in self._store.containers.values() if one.rid == offer["offerResourceId"]]
            self._budgets.set(owned, None, float(content["offerThroughput"]))
        return answer(self._store.offers("WHERE rid = ?", name)[0])


def method_not_allowed(request: Request) -> CosmosError:
    """405: that verb does nothing here."""
    return CosmosError(405, f"The requested verb {request.verb} is not supported on this resource.")


def _is_throughput(value: object) -> bool:
    return type(value) is int and MIN_THROUGHPUT <= value <= 1_000_000 and value % 100 == 0  # noqa: PLR2004


def _new_id(body: Json) -> str:
    wrong = check_id(body.get("id"))
    if wrong is not None:
        raise bad_request(wrong)
    return str(body["id"])


def _partition_key(definition: object) -> Json:
    """The partition key definition of a container.

    Raises:
        CosmosError: 400, there is none, or not one this endpoint has (hierarchical keys).
    """
    if definition is None:
        raise bad_request(
            "The partition key component definition path is missing: a container needs a partition key."
        )
    if not isinstance(definition, dict):
        raise bad_request("The specified partition key definition is invalid.")
    kind = definition.get("kind", "Hash")
    if kind == "MultiHash":
        raise bad_request("Hierarchical partition keys (MultiHash) are not supported by this endpoint.")
    if kind != "Hash":
        raise bad_request(f"The specified partition kind '{kind}' is invalid.")
    paths = definition.get("paths")
    if not isinstance(paths, list) or len(paths) != 1:
        raise bad_request("Too many or too few partition key paths: exactly one must be specified.")
    path = paths[0]
    if not isinstance(path, str) or not path.startswith("/") or not all(path[1:].split("/")):
        raise bad_request(
            f"The partition key component definition path '{path}' could not be accepted, failed near "
            "position '0'. Partition key paths must contain only valid characters and not contain a "
            "trailing slash or wildcard character."
        )
    version = definition.get("version", V1)
    if version not in {V1, V2}:
        raise bad_request(f"The specified partition key version '{version}' is invalid.")
    clean: Json = {"paths": [path], "kind": "Hash"}
    if "version" in definition:
        clean["version"] = version
    return clean
