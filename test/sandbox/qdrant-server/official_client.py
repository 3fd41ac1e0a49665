"""Drives the server with Qdrant's official Python client, whose typed models refuse answers of the wrong shape.

Usage: `python official_client.py URL API_KEY`. Prints the name of each check that passed; exits 1 at the first that fails.
"""

from __future__ import annotations

import sys
import uuid

from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import UnexpectedResponse

PLAIN = "plain"
NAMED = "named"
FIRST = str(uuid.UUID(int=1))


def vector(seed: int) -> list[float]:
    """Four numbers that differ in direction from seed to seed."""
    return [1.0, float(seed), float(seed * seed % 7), 0.5]


def create(client: QdrantClient) -> None:
    """Collections, and what is reported of them."""
    assert client.create_collection(
        PLAIN,
        models.VectorParams(size=4, distance=models.Distance.COSINE, on_disk=True),
        hnsw_config=models.HnswConfigDiff(m=8),
        quantization_config=models.ScalarQuantization(
            scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        ),
        optimizers_config=models.OptimizersConfigDiff(indexing_threshold=20000),
        metadata={"model": "test"},
    )
    assert client.create_collection(
        NAMED,
        {
            "image": models.VectorParams(size=2, distance=models.Distance.DOT),
            "tokens": models.VectorParams(
                size=2,
                distance=models.Distance.COSINE,
                multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
            ),
        },
        sparse_vectors_config={"words": models.SparseVectorParams(modifier=models.Modifier.IDF)},
        shard_number=1,
        replication_factor=1,
    )
    info = client.get_collection(PLAIN)
    assert info.status == models.CollectionStatus.GREEN and info.points_count == 0
    assert info.config.params.vectors.size == 4 and info.config.params.vectors.on_disk is True
    assert info.config.hnsw_config.m == 8 and info.config.hnsw_config.ef_construct == 100
    assert info.config.quantization_config.scalar.always_ram is True
    assert info.config.optimizer_config.indexing_threshold == 20000
    assert info.config.wal_config.wal_capacity_mb == 32
    assert info.config.metadata == {"model": "test"}
    named = client.get_collection(NAMED).config.params
    assert set(named.vectors) == {"image", "tokens"} and named.sparse_vectors["words"].modifier == models.Modifier.IDF
    assert sorted(one.name for one in client.get_collections().collections) == [NAMED, PLAIN]
    assert client.collection_exists(PLAIN) and not client.collection_exists("nothing")
    assert client.update_collection(PLAIN, hnsw_config=models.HnswConfigDiff(ef_construct=50))
    assert client.get_collection(PLAIN).config.hnsw_config.ef_construct == 50
    try:
        client.create_collection(PLAIN, models.VectorParams(size=4, distance=models.Distance.COSINE))
        raise AssertionError("a second collection of that name was created")
    except UnexpectedResponse as error:
        assert error.status_code == 409, error


def write(client: QdrantClient) -> None:
    """Upserts in both forms, payloads, vectors, batches."""
    points = [
        models.PointStruct(id=seed, vector=vector(seed), payload={"n": seed, "even": seed % 2 == 0, "tags": ["a"]})
        for seed in range(1, 20)
    ]
    result = client.upsert(PLAIN, points, wait=True, ordering=models.WriteOrdering.STRONG)
    assert result.status == models.UpdateStatus.COMPLETED and result.operation_id is not None
    batch = models.Batch(ids=[FIRST], vectors=[vector(3)], payloads=[{"deep": {"list": [{"x": 1}, {"x": 2}]}}])
    assert client.upsert(PLAIN, batch, wait=False).status == models.UpdateStatus.ACKNOWLEDGED
    client.set_payload(PLAIN, {"colour": "red"}, points=[1, 2], wait=True)
    client.set_payload(PLAIN, {"y": 5}, points=[FIRST], key="deep", wait=True)
    client.overwrite_payload(PLAIN, {"only": 1.5}, points=[3], wait=True)
    client.delete_payload(PLAIN, ["tags"], points=models.Filter(must=[_n(range_=models.Range(lt=3))]), wait=True)
    client.clear_payload(PLAIN, points_selector=[4], wait=True)
    client.update_vectors(PLAIN, [models.PointVectors(id=5, vector=[0.0, 0.0, 0.0, 2.0])], wait=True)
    results = client.batch_update_points(
        PLAIN,
        [
            models.UpsertOperation(
                upsert=models.PointsList(points=[models.PointStruct(id=50, vector=vector(50), payload={})])
            ),
            models.SetPayloadOperation(set_payload=models.SetPayload(payload={"b": 1}, points=[50])),
            models.DeleteOperation(delete=models.PointIdsList(points=[19])),
        ],
        wait=True,
    )
    assert [one.status for one in results] == [models.UpdateStatus.COMPLETED] * 3
    named = models.PointStruct(
        id=1,
        vector={
            "image": [1.0, 2.0],
            "tokens": [[1.0, 0.0], [0.0, 1.0]],
            "words": models.SparseVector(indices=[7, 3], values=[0.25, 0.1]),
        },
    )
    client.upsert(NAMED, [named, models.PointStruct(id=2, vector={"image": [3.0, 1.0]})], wait=True)


def _n(match: int | None = None, range_: models.Range | None = None) -> models.FieldCondition:
    return models.FieldCondition(
        key="n", match=models.MatchValue(value=match) if match is not None else None, range=range_
    )


def read(client: QdrantClient) -> None:
    """Retrieve, scroll, count."""
    found = client.retrieve(PLAIN, [1, FIRST, 999], with_payload=True, with_vectors=True)
    assert {one.id for one in found} == {1, FIRST}
    first = next(one for one in found if one.id == 1)
    assert first.payload == {"n": 1, "even": False, "colour": "red"} and len(first.vector) == 4
    deep = next(one for one in found if one.id == FIRST)
    assert deep.payload == {"deep": {"list": [{"x": 1}, {"x": 2}], "y": 5}}
    assert client.retrieve(PLAIN, [3])[0].payload == {"only": 1.5}
    assert client.retrieve(PLAIN, [4])[0].payload == {}
    assert client.retrieve(PLAIN, [5], with_vectors=True)[0].vector == [0.0, 0.0, 0.0, 1.0]
    seen, offset = [], None
    while True:
        page, offset = client.scroll(PLAIN, limit=7, offset=offset, with_payload=["n"], with_vectors=False)
        seen += [one.id for one in page]
        if offset is None:
            break
    assert len(seen) == len(set(seen)) == client.count(PLAIN, exact=True).count == 20, seen
    excluded, _ = client.scroll(PLAIN, limit=1, with_payload=models.PayloadSelectorExclude(exclude=["n"]))
    assert excluded[0].payload == {"even": False, "colour": "red"}
    assert client.count(PLAIN, models.Filter(must=[_n(match=7)])).count == 1
    one = client.retrieve(NAMED, [1], with_vectors=True)[0].vector
    assert one["image"] == [1.0, 2.0] and one["tokens"] == [[1.0, 0.0], [0.0, 1.0]]
    assert one["words"] == models.SparseVector(indices=[3, 7], values=[0.1, 0.25])
    assert list(client.retrieve(NAMED, [1], with_vectors=["image"])[0].vector) == ["image"]


def index(client: QdrantClient) -> None:
    """Payload indexes, order_by, facets."""
    for field, schema in (
        ("n", models.PayloadSchemaType.INTEGER),
        ("colour", models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)),
        ("text", models.TextIndexParams(type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD)),
    ):
        assert client.create_payload_index(PLAIN, field, schema, wait=True).status == models.UpdateStatus.COMPLETED
    schema = client.get_collection(PLAIN).payload_schema
    assert schema["n"].data_type == models.PayloadSchemaType.INTEGER and schema["n"].points > 10
    assert schema["colour"].params.is_tenant is True and schema["colour"].points == 2
    page, _ = client.scroll(PLAIN, order_by=models.OrderBy(key="n", direction=models.Direction.DESC), limit=3)
    assert [one.payload["n"] for one in page] == [18, 17, 16]
    later, _ = client.scroll(PLAIN, order_by=models.OrderBy(key="n", start_from=10), limit=2)
    assert [one.payload["n"] for one in later] == [10, 11]
    hits = client.facet(PLAIN, "colour").hits
    assert [(one.value, one.count) for one in hits] == [("red", 2)]
    client.delete_payload_index(PLAIN, "text", wait=True)
    assert set(client.get_collection(PLAIN).payload_schema) == {"n", "colour"}


def search(client: QdrantClient) -> None:
    """Queries by vector and by id, named, sparse and fused."""
    best = client.query_points(PLAIN, vector(7), limit=1, with_payload=True, with_vectors=True).points[0]
    assert best.id == 7 and abs(best.score - 1) < 1e-5 and best.payload["n"] == 7
    near = client.query_points(PLAIN, query=7, limit=3).points
    assert len(near) == 3 and all(one.id != 7 for one in near)
    assert not client.query_points(PLAIN, vector(7), score_threshold=1.5).points
    exact = models.SearchParams(exact=True, hnsw_ef=64)
    only = models.Filter(must=[_n(match=9)])
    assert client.query_points(PLAIN, vector(7), query_filter=only, search_params=exact).points[0].id == 9
    batch = client.query_batch_points(PLAIN, [models.QueryRequest(query=vector(2), limit=1)] * 2)
    assert [one.points[0].id for one in batch] == [2, 2]
    assert client.query_points(NAMED, [3.0, 1.0], using="image").points[0].id == 2
    words = models.SparseVector(indices=[3], values=[1.0])
    assert client.query_points(NAMED, words, using="words").points[0].id == 1
    assert client.query_points(NAMED, [[1.0, 0.0]], using="tokens").points[0].id == 1
    fused = client.query_points(
        NAMED,
        prefetch=[models.Prefetch(query=[1.0, 0.0], using="image"), models.Prefetch(query=words, using="words")],
        query=models.FusionQuery(fusion=models.Fusion.RRF),
    )
    assert {one.id for one in fused.points} == {1, 2}
    alike = models.RecommendQuery(recommend=models.RecommendInput(positive=[6, 7], negative=[1]))
    assert len(client.query_points(PLAIN, alike, limit=2).points) == 2


def aliases(client: QdrantClient) -> None:
    """Aliases, used in place of the name."""
    create_alias = models.CreateAlias(collection_name=PLAIN, alias_name="other")
    assert client.update_collection_aliases([models.CreateAliasOperation(create_alias=create_alias)])
    assert client.count("other").count == client.count(PLAIN).count
    assert client.get_collection_aliases(PLAIN).aliases[0].alias_name == "other"
    renamed = models.RenameAlias(old_alias_name="other", new_alias_name="another")
    client.update_collection_aliases([models.RenameAliasOperation(rename_alias=renamed)])
    assert [one.alias_name for one in client.get_aliases().aliases] == ["another"]
    deleted = models.DeleteAlias(alias_name="another")
    client.update_collection_aliases([models.DeleteAliasOperation(delete_alias=deleted)])
    assert client.get_aliases().aliases == []


def snapshots(client: QdrantClient) -> None:
    """A snapshot, and the collection as it was then."""
    made = client.create_snapshot(PLAIN)
    assert made.size > 0 and made.creation_time
    assert [one.name for one in client.list_snapshots(PLAIN)] == [made.name]
    before = client.count(PLAIN).count
    client.delete(PLAIN, [1, 2], wait=True)
    location = f"{client._client.rest_uri}/collections/{PLAIN}/snapshots/{made.name}"
    assert client.recover_snapshot(PLAIN, location, api_key=sys.argv[2], checksum=made.checksum, wait=True)
    assert client.count(PLAIN).count == before
    assert client.delete_snapshot(PLAIN, made.name)
    assert client.list_snapshots(PLAIN) == []


def delete(client: QdrantClient) -> None:
    """Deleting points by id and filter, vectors by name, collections."""
    client.delete(PLAIN, [1], wait=True)
    client.delete(PLAIN, models.Filter(must=[_n(range_=models.Range(gte=10))]), wait=True)
    assert client.count(PLAIN).count == 10
    client.delete_vectors(NAMED, ["image"], [1], wait=True)
    assert "image" not in client.retrieve(NAMED, [1], with_vectors=True)[0].vector
    assert client.delete_collection(PLAIN) and not client.collection_exists(PLAIN)
    try:
        client.count(PLAIN)
        raise AssertionError("a deleted collection was counted")
    except UnexpectedResponse as error:
        assert error.status_code == 404, error


def main() -> None:
    """Runs the checks in order; later ones use what earlier ones stored."""
    client = QdrantClient(url=sys.argv[1], api_key=sys.argv[2], timeout=30)
    assert client.info().version.startswith("1.18.")
    for check in (create, write, read, index, search, aliases, snapshots, delete):
        check(client)
        print(f"ok {check.__name__}", flush=True)


if __name__ == "__main__":
    main()
