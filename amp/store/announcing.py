"""Tells every worker which version of something stands; of two that tell, the slower takes nothing back."""

from importlib.resources import files

from amp.store.connection import Store
from amp.store.functions import Call, Functions

LIBRARY = files("amp.store").joinpath("announcing.lua").read_text()


async def announce(store: Store, versions: bytes, name: str, standing: int) -> None:
    """Says in the hash `versions` that this version of `name` stands, unless a later does; safe to repeat.

    Raises:
        StoreUnavailable: nobody knows whether they hear it.
    """
    await Functions(store, [LIBRARY]).call(Call("amp_announce_v1", (versions,), (name, standing)))
