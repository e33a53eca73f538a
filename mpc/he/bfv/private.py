"""BFV private keys: they encrypt into half the bytes, and open totals."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn, Self

import numpy as np
import numpy.typing as npt

from governance.errors import DecodeError, UsageError
from mpc.he.bfv import arrays
from mpc.he.bfv.parameters import Use, choose
from mpc.he.bfv.public import BfvPublicKey, BfvVector, key_bytes, read_key, spread
from mpc.he.layout import Integers, Layout, Numbers
from mpc.he.vector import EncryptedVector, admit
from mpc.he.words import Words

PRIVATE_MAGIC = b"kyB2"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BfvPrivateKey:
    """Opens whatever it is given under its public key: give it totals only."""

    public: BfvPublicKey
    words: Words = field(repr=False)

    def encrypt(self, values: npt.ArrayLike, *, executor: Executor | None = None) -> BfvVector:
        """As `BfvPublicKey.encrypt`, in half the bytes: half of a ciphertext is a seed of 64 bytes."""
        layout, places, plains = self.public.plains(values)
        parameters = self.public.parameters
        parts = list(spread(executor, partial(arrays.encrypt_seeded, parameters, self.words), plains))
        firsts, seeds = zip(*parts, strict=True)
        kept = places.gather(np.concatenate(firsts))
        return BfvVector(layout, 1, True, self.public, places, parameters.fresh, 0, kept, b"".join(seeds))

    def decrypt(self, box: EncryptedVector, *, executor: Executor | None = None) -> Numbers:
        """The numbers in *box*: int64s if its step is 1, float64s otherwise.

        A total outside the range that its terms declare is refused: a ciphertext is then foreign or dishonest. Do not let who sent it
        see that refusal again and again, and never what came out: each tells of the key (Chenal & Tang, *On Key Recovery Attacks
        Against Existing Somewhat Homomorphic Encryption Schemes*, Latincrypt 2014).
        """
        box = admit(box, BfvVector, self.public)
        task = partial(arrays.decrypt, self.public.parameters, self.words)
        plains = np.concatenate(list(spread(executor, task, box.polynomials())))
        return box.layout.decode(self._steps(box, plains), weight=box.weight)

    def _steps(self, box: BfvVector, plains: Words) -> Integers:
        parameters, places = self.public.parameters, box.places
        if places.slots:
            plains = arrays.from_slots(parameters, plains)
        steps = places.gather(plains[:, None])[0, : places.length].astype(np.int64)
        return np.where(steps > parameters.plain // 2, steps - parameters.plain, steps)

    def export_private(self) -> bytes:
        """The key itself, in binary, public key included: whoever gets these bytes opens everything under it."""
        words = np.concatenate([self.public.words, self.words[None]])
        return key_bytes(PRIVATE_MAGIC, self.public.form, self.public.use, words)

    @classmethod
    def import_private(cls, raw: bytes) -> Self:
        """The key that `export_private` wrote. The two halves are tried on each other."""
        form, use, words = read_key(raw, PRIVATE_MAGIC, polynomials=3)
        key = cls(BfvPublicKey(form, use, words[:2]), words[2])
        try:
            fits = key.decrypt(key.public.encrypt([form.bound]))[0] == form.limit * form.step
        except DecodeError:
            fits = False
        if not fits:
            raise DecodeError("not a private BFV key: its halves do not fit")
        return key

    def __repr__(self) -> str:
        return f"<private part of {self.public!r}>"

    def __reduce__(self) -> NoReturn:
        raise UsageError("a private key is not pickled: export_private says what it does")


def generate(*, bound: float, step: float, terms: int, use: Use = "sums") -> BfvPrivateKey:
    """A new key, for totals that are declared here.

    Parameters
    ----------
    bound, step, terms
        Largest magnitude of a number; its precision, absolute; how many may be added. A product counts as many terms as its factor has
        steps at most: for ``box @ Factor`` declare ``terms = factor.limit * rows``, times the number of such products that are added.
    use
        "sums": vectors are added and scaled by whole numbers that everybody may know. "matrices": they are multiplied by an operator's
        matrix, which the key's owner does not learn. "entries": they are multiplied entry by entry, by factors that it does not learn.
    """
    form = Layout.declare(1, bound=bound, step=step, terms=terms)
    secret, words = arrays.room(choose(form.limit, form.terms, use)).keys()
    return BfvPrivateKey(BfvPublicKey(form, use, words), secret)
