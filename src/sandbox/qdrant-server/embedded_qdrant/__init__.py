"""A REST server that answers as Qdrant 1.18 does, over Qdrant's own storage engine (`qdrant-edge-py`)."""

QDRANT_VERSION = "1.18.3"
"""The Qdrant release whose REST behaviour this server follows."""

ENGINE = "qdrant-edge-py-0.9.0"
"""The engine behind it; reported where a real server reports its git commit, so that a reader can tell them apart."""
