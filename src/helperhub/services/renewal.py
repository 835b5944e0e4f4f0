"""Keys in use, and work that is signed and sealed anew under the present ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from helperhub.errors import Conflict, CorruptRecord
from helperhub.store.catalogue import SPEC, Catalogue
from helperhub.store.envelope import Envelopes
from helperhub.store.executions import Executions as Records
from helperhub.store.queues import Queues
from helperhub.store.record import Record
from helperhub.store.scripts import Scripts, SpecChange

_BATCH = 200
_TRIES = 20


@dataclass(slots=True)
class Renewed:
    """What a renewal did.

    Args:
        executions: Executions that are under the present keys now and weren't.
        catalogue: Specs and overrides of which the same holds.
        refused: Executions and helpers that aren't believed or can't be decrypted, with the reason.
    """

    executions: int = 0
    catalogue: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        """Return the document that every face shows."""
        return {"executions": self.executions, "catalogue": self.catalogue, "refused": self.refused}


@dataclass(frozen=True, slots=True)
class Renewal:
    """Walks what waits, what runs, the dead letters, and the catalogue.

    What is otherwise finished stays under the key that it had.
    """

    scripts: Scripts
    records: Records
    queues: Queues
    catalogue: Catalogue
    envelopes: Envelopes

    def status(self) -> dict[str, Any]:
        """Return which keys there are, and how much is under each; ``""`` stands for none."""
        signed: Counter[str] = Counter()
        sealed: Counter[str] = Counter()
        for _, record in self._open_records():
            try:
                keys = self.envelopes.keys_of(record)
            except CorruptRecord:
                continue  # doctor and the dead letters show it
            signed[keys.signed] += 1
            sealed[keys.sealed] += 1
        signatures, cipher = self.envelopes.signatures, self.envelopes.cipher
        entries = Counter(signatures.text_key(raw) for _, _, raw in self.catalogue.signed_entries()[1])
        return {
            "signing": {
                "enabled": signatures.enabled,
                "keys": signatures.keys.ids,
                "executions": dict(signed),
                "catalogue": dict(entries),
            },
            "encryption": {"enabled": cipher.enabled, "keys": cipher.keys.ids, "executions": dict(sealed)},
        }

    def renew(self) -> Renewed:
        """Sign and seal anew under the present keys; doing it twice changes nothing more.

        Raises:
            ConfigurationError: There is no key for a helper.
            Conflict: The catalogue kept changing.
            StoreError: Redis can't take it; what was done before stays done.
        """
        renewed = Renewed()
        records = self._open_records()
        while chunk := list(islice(records, _BATCH)):
            swaps = []
            for execution_id, record in chunk:
                try:
                    body = self.envelopes.renew(execution_id, record)
                except CorruptRecord as error:
                    renewed.refused[execution_id] = error.message
                    continue
                if body is not None:
                    swaps.append((execution_id, record.body, body))
            renewed.executions += sum(self.scripts.rewrite(swaps)) if swaps else 0
        self._renew_catalogue(renewed)
        return renewed

    def _renew_catalogue(self, renewed: Renewed) -> None:
        signatures = self.envelopes.signatures
        for _ in range(_TRIES):
            revision, entries = self.catalogue.signed_entries()
            changes = []
            for purpose, helper, raw in entries:
                if signatures.text_key(raw) == signatures.current_id(helper):
                    continue
                try:
                    text = signatures.check_text(purpose, helper, raw).decode()
                except CorruptRecord as error:
                    renewed.refused[helper] = error.message
                    continue
                signed = signatures.sign_text(purpose, helper, text)
                change = SpecChange(helper, spec=signed) if purpose == SPEC else SpecChange(helper, override=signed)
                changes.append(change)
            if not changes or self.scripts.register(changes, revision=revision)[0] != -1:
                renewed.catalogue = len(changes)
                return
        message = "The catalogue kept changing while it was signed anew."
        raise Conflict(message, hint="Try again.")

    def _open_records(self) -> Iterator[tuple[str, Record]]:
        ids = dict.fromkeys(self.records.open_ids(self.queues.names()))
        yield from self.records.records(ids)


__all__ = ["Renewal", "Renewed"]
