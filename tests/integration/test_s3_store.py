"""Artifacts in a real S3 server, reached the way a worker reaches it: through an Airflow connection."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from release_watch.artifacts.audit import AuditTrail
from release_watch.artifacts.store import ArtifactMissingError, ArtifactStore
from release_watch.assurance.registry import ActiveReleases
from release_watch.catalog.policies import Policies
from release_watch.drills.receipts import Receipts
from release_watch.errors import InvalidInputError
from release_watch.evidence.documents import REQUIRED, missing_documents, read_evidence
from release_watch.orchestration.storage import artifact_root, evidence_folder, store_for
from release_watch.orchestration.triggers.signals import SignalStatus, documents_state
from release_watch.release import Release

CONNECTION = "release_watch_s3"
REGION = "us-east-1"
KEY, SECRET = "watcher-key", secrets.token_hex(16)
FOLDER = "shop/monitoring/production/shop-1.1.0"
DEPLOYED = datetime(2026, 1, 2, 3, tzinfo=UTC)


class Bucket:
    """A bucket as another process sees it, which shares no cache with the code under test."""

    name = "watch"

    def __init__(self, url: str) -> None:
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=url,
            region_name=REGION,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )
        self._client.create_bucket(Bucket=self.name)

    def objects(self) -> list[str]:
        found = self._client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return [entry["Key"] for entry in found]

    def put(self, key: str, data: bytes) -> None:
        self._client.put_object(Bucket=self.name, Key=key, Body=data)

    def read(self, key: str) -> bytes:
        data: bytes = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def delete(self, *keys: str) -> None:
        for key in keys:
            self._client.delete_object(Bucket=self.name, Key=key)


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    """An S3 server, and the Airflow connection to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    extra = {"endpoint_url": url, "region_name": REGION}
    connection = {"conn_type": "aws", "login": KEY, "password": SECRET, "extra": extra}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection))
        yield url
    server.stop()


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket that holds the artifact root of this test."""
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_ROOT", f"s3://{Bucket.name}/shop")
    monkeypatch.setenv("RELEASE_WATCH_ARTIFACT_CONN_ID", CONNECTION)
    bucket = Bucket(s3_url)
    yield bucket
    bucket.delete(*bucket.objects())


@pytest.fixture
def release() -> Release:
    return Release(
        deployment_id="dep-1",
        release_id="shop-1.1.0",
        version="1.1.0",
        environment="production",
        services=("checkout",),
        deployed_at=DEPLOYED,
        evidence_uri=f"s3://{Bucket.name}/evidence/dep-1",
    )


@pytest.fixture
def store(bucket: Bucket, release: Release) -> ArtifactStore:
    return store_for(release)


@pytest.mark.parametrize(
    "data", [b"# Plan\n", b"", bytes(range(256)) * 50_000], ids=["text", "empty", "12.8 MB"]
)
def test_an_artifact_is_one_object_of_exactly_this_content(
    store: ArtifactStore, bucket: Bucket, data: bytes
) -> None:
    stored = store.write_bytes("RUNBOOKS/plan.md", data)

    assert bucket.objects() == [f"{FOLDER}/RUNBOOKS/plan.md"]
    assert bucket.read(f"{FOLDER}/RUNBOOKS/plan.md") == store.read_bytes("RUNBOOKS/plan.md") == data
    assert (stored.sha256, stored.size_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert stored == store.digest("RUNBOOKS/plan.md")


def test_an_artifact_has_the_address_that_any_s3_client_knows(store: ArtifactStore) -> None:
    assert store.uri == f"s3://{Bucket.name}/{FOLDER}"
    assert store.uri_of("plan.md") == store.write_text("plan.md", "x").uri == f"{store.uri}/plan.md"


def test_a_retry_leaves_exactly_one_artifact(store: ArtifactStore, bucket: Bucket, release: Release) -> None:
    first = store.write_text("plan.md", "# Plan\n")
    AuditTrail(store).record("plan", "plan written", at=DEPLOYED)

    again = store_for(release)
    retried = again.write_text("plan.md", "# Plan\n")
    AuditTrail(again).record("plan", "plan written", at=DEPLOYED + timedelta(minutes=1))

    assert retried == first
    assert bucket.objects() == [f"{FOLDER}/audit/plan.json", f"{FOLDER}/plan.md"]
    assert [event["at"] for event in AuditTrail(store).events()] == ["2026-01-02T03:00:00.000Z"]


def test_names_are_relative_and_listed_by_prefix(store: ArtifactStore, bucket: Bucket) -> None:
    assert store.names() == []
    for name in ("plan.md", "audit/b.json", "audit/a.json"):
        store.write_text(name, "x")
    bucket.put("shop/monitoring/production/shop-1.1.0-other/plan.md", b"of another release")

    assert store.names() == ["audit/a.json", "audit/b.json", "plan.md"]
    assert store.names("audit/") == ["audit/a.json", "audit/b.json"]


def test_what_others_write_and_remove_is_seen_at_once(store: ArtifactStore, bucket: Bucket) -> None:
    store.write_text("plan.md", "old")
    assert store.names() == ["plan.md"]  # whoever remembers this listing is wrong from here on

    bucket.put(f"{FOLDER}/plan.md", b"new, and longer than before")
    bucket.put(f"{FOLDER}/late.md", b"late")

    assert store.read_text("plan.md") == "new, and longer than before"
    assert store.digest("plan.md").size_bytes == 27
    assert store.exists("late.md")
    assert store.names() == ["late.md", "plan.md"]

    bucket.delete(f"{FOLDER}/plan.md")

    assert not store.exists("plan.md")
    assert store.names() == ["late.md"]


def test_removing_is_idempotent(store: ArtifactStore, bucket: Bucket) -> None:
    store.write_text("plan.md", "x")

    store.remove("plan.md")
    store.remove("plan.md")

    assert not store.exists("plan.md")
    assert bucket.objects() == []


@pytest.mark.parametrize("read", ["read_bytes", "read_text", "digest"])
def test_a_missing_artifact_says_which_and_where(store: ArtifactStore, read: str) -> None:
    with pytest.raises(ArtifactMissingError, match=rf"plan\.md is not in s3://{Bucket.name}/{FOLDER};"):
        getattr(store, read)("plan.md")


def documents(release: Release) -> dict[str, bytes]:
    identity = {
        "deployment_id": release.deployment_id,
        "release_id": release.release_id,
        "version": release.version,
        "environment": release.environment,
    }
    validation = {
        "schema_version": "1.0",
        **identity,
        "status": "passed",
        "deployed_at": "2026-01-02T03:00:00.000Z",
        "validated_at": "2026-01-02T03:00:30.000Z",
        "services": [{"service": "checkout", "status": "passed"}],
        "new_endpoints": [],
    }
    head = "\n".join(f"- {name}: {value}" for name, value in identity.items())
    markdown = f"# Document\n\n{head}\n\nComplete at 2026-01-02T03:00:40.000Z.\n".encode()
    texts = (json.dumps(validation).encode(), markdown, markdown)
    return dict(zip(REQUIRED, texts, strict=True))


def test_evidence_is_awaited_document_by_document_and_read(bucket: Bucket, release: Release) -> None:
    folder = evidence_folder(release)
    assert not folder.exists()

    for number, (name, data) in enumerate(documents(release).items(), start=1):
        assert documents_state(release.evidence_uri, CONNECTION).status is SignalStatus.WAITING
        bucket.put(f"evidence/dep-1/{name}", data)
        assert missing_documents(evidence_folder(release)) == list(REQUIRED[number:])

    assert folder.exists()
    assert documents_state(release.evidence_uri, CONNECTION).status is SignalStatus.READY
    evidence = read_evidence(folder, release, Policies(), at=DEPLOYED + timedelta(minutes=5))
    assert evidence.validation.passed
    assert evidence.sha256 == {n: hashlib.sha256(d).hexdigest() for n, d in documents(release).items()}


def test_evidence_that_is_not_there_is_named(bucket: Bucket, release: Release) -> None:
    with pytest.raises(InvalidInputError) as raised:
        read_evidence(evidence_folder(release), release, Policies(), at=DEPLOYED)

    assert [problem.split(": ")[:2] for problem in raised.value.problems] == [
        [name, "missing"] for name in REQUIRED
    ]


def notice(status: str) -> dict[str, Any]:
    labels = {"drill": "true", "drill_id": "d-1"}
    return {"receiver": "oncall", "alerts": [{"status": status, "labels": labels, "fingerprint": "f"}]}


def test_receipts_are_shared_by_receiver_and_worker(bucket: Bucket) -> None:
    receiver, worker = Receipts.under(artifact_root()), Receipts.under(artifact_root())
    assert worker.find("d-1", "firing") is None

    (first,) = receiver.record(notice("firing"), DEPLOYED)
    receiver.record(notice("firing"), DEPLOYED + timedelta(minutes=1))

    assert worker.find("d-1", "firing", ["oncall"]) == first
    assert [f"s3://{Bucket.name}/{key}" for key in bucket.objects()] == [first.uri]
    assert worker.find("d-1", "resolved") is None
    assert worker.acknowledgement("d-1") is None
    receiver.acknowledge("d-1", "ada", DEPLOYED)
    assert worker.acknowledgement("d-1") == ("ada", DEPLOYED)


def test_the_registry_finds_what_another_run_registered(bucket: Bucket, release: Release) -> None:
    night, run = ActiveReleases(artifact_root()), ActiveReleases(artifact_root())
    assert night.all() == ()
    older = release.model_copy(
        update={"release_id": "shop-1.0.0", "deployed_at": DEPLOYED - timedelta(days=1)}
    )

    for one in (older, release, release):
        run.register(one, artifacts_uri=store_for(one).uri, rules={"r": "groups: []"}, at=DEPLOYED)

    assert [entry.release.release_id for entry in night.all("production")] == ["shop-1.1.0"]
    assert night.holds(release)
    run.retire("production", "shop-1.1.0", reason="rolled back", at=DEPLOYED)
    assert [entry.release.release_id for entry in night.all("production")] == ["shop-1.0.0"]
    assert night.retirement("production", "shop-1.1.0") == "rolled back"
    assert not night.holds(release)
