"""All collections and aliases of one storage directory.

Layout: `registry.json` names the collections and aliases; each collection lives in `collections/<random id>/`, so that
creating, deleting or replacing one is a single atomic change of the registry, and what a crash leaves behind is found
by its absence there. Snapshots are in `snapshots/<collection>/`.
"""

from __future__ import annotations

import fcntl
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from . import atomicfiles
from .collection import Collection
from .collection_config import check_new_name, new_config
from .errors import already_exists, bad_input, no_such_collection, not_found
from .jsonio import Json

_FLUSH_AFTER_SECONDS = 5.0


class Store:
    """The open storage directory. One process owns it at a time (an advisory lock on `.lock`)."""

    def __init__(self, path: Path) -> None:
        """Opens every collection under `path`, creating the directory if need be. Raises OSError if it is in use."""
        self.path = path.resolve()
        self.snapshots_path = self.path / "snapshots"
        self._collections_path = self.path / "collections"
        self._registry = self.path / "registry.json"
        for directory in (self._collections_path, self.snapshots_path):
            directory.mkdir(parents=True, exist_ok=True)
        self._lock = open(self.path / ".lock", "w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(f"{self.path} is in use by another server") from error
        registry = atomicfiles.read_json(self._registry) if self._registry.exists() else {}
        directories = registry.get("collections", {})
        self.aliases: dict[str, str] = registry.get("aliases", {})
        self._remove_leftovers(set(directories.values()))
        self.collections = {name: Collection.load(self._collections_path / one) for name, one in directories.items()}

    def _remove_leftovers(self, known: set[str]) -> None:
        for directory in self._collections_path.iterdir():
            if directory.name not in known:
                shutil.rmtree(directory, ignore_errors=True)
        for pattern in ("*.tmp", "*.part"):
            for unfinished in self.snapshots_path.rglob(pattern):
                unfinished.unlink()

    def _save(self) -> None:
        directories = {name: one.path.name for name, one in self.collections.items()}
        atomicfiles.write_json(self._registry, {"collections": directories, "aliases": self.aliases})

    def new_directory(self) -> Path:
        """A path for a collection that is not registered yet."""
        return self._collections_path / uuid.uuid4().hex

    def get(self, name: str) -> Collection:
        """The collection of that name or alias. Raises 404."""
        found = self.collections.get(name) or self.collections.get(self.aliases.get(name, ""))
        if found is None:
            raise no_such_collection(name)
        return found

    @asynccontextmanager
    async def updating(self, name: str) -> AsyncIterator[Collection]:
        """The collection of that name or alias, with its updates held back for anybody else. Raises 404."""
        while True:
            collection = self.get(name)
            async with collection.updates:
                # While we waited it may have been deleted or replaced.
                if self.get(name) is collection:
                    yield collection
                    return

    def real_name(self, name: str) -> str:
        """The collection's own name for a name or alias. Raises 404."""
        self.get(name)
        return name if name in self.collections else self.aliases[name]

    def exists(self, name: str) -> bool:
        """Whether that name or alias can be used."""
        return name in self.collections or self.aliases.get(name) in self.collections

    def create(self, name: str, body: Json) -> None:
        """Creates a collection. Raises 409 if it exists, 400 or 422 for a configuration that Qdrant refuses."""
        check_new_name(name)
        config = new_config(body)
        if name in self.collections:
            raise already_exists(f"Collection `{name}` already exists!")
        if name in self.aliases:
            raise bad_input(f"Can't create collection with name {name}. Alias with the same name already exists")
        self.collections[name] = Collection.create(self.new_directory(), config)
        self._save()

    def replace(self, name: str, collection: Collection) -> None:
        """Registers an opened collection under `name`, in place of the one that was there, if any."""
        old = self.collections.get(name)
        self.collections[name] = collection
        self._save()
        if old is not None:
            _discard(old)

    def delete(self, name: str) -> bool:
        """Deletes a collection and its aliases. False if there is none of that name."""
        old = self.collections.pop(name, None)
        if old is None:
            return False
        self.aliases = {alias: target for alias, target in self.aliases.items() if target != name}
        self._save()
        _discard(old)
        return True

    def change_aliases(self, actions: list[Json]) -> None:
        """Applies alias actions in order. An action that fails leaves those before it in effect, as in Qdrant."""
        for action in actions:
            if "create_alias" in action:
                self._create_alias(action["create_alias"]["alias_name"], action["create_alias"]["collection_name"])
            elif "delete_alias" in action:
                self.aliases.pop(action["delete_alias"]["alias_name"], None)
            else:
                self._rename_alias(action["rename_alias"]["old_alias_name"], action["rename_alias"]["new_alias_name"])
            self._save()

    def _create_alias(self, alias: str, name: str) -> None:
        if name not in self.collections:
            raise no_such_collection(name)
        if alias in self.collections:
            raise already_exists(f"Collection `{alias}` already exists!")
        self.aliases[alias] = name

    def _rename_alias(self, old: str, new: str) -> None:
        if old not in self.aliases:
            raise not_found(f"Alias {old} does not exists!")
        self.aliases[new] = self.aliases.pop(old)

    def flush_stale(self) -> None:
        """Flushes every collection whose changes have waited for five seconds (Qdrant's `flush_interval_sec`)."""
        for collection in self.collections.values():
            collection.flush_if_older(_FLUSH_AFTER_SECONDS)

    def close(self) -> None:
        """Flushes and closes everything."""
        for collection in self.collections.values():
            collection.close()
        self._lock.close()


def _discard(collection: Collection) -> None:
    """Closes a collection and removes its files; what cannot be removed goes at the next start."""
    collection.close()
    shutil.rmtree(collection.path, ignore_errors=True)
