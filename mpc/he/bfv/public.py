"""BFV public keys, and vectors that are encrypted under them."""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
import numpy.typing as npt

from governance.errors import DecodeError, UsageError
from mpc.he.bfv import arrays
from mpc.he.bfv.arrays import Products
from mpc.he.bfv.parameters import FLOOD, USES, Parameters, Use, choose, widening
from mpc.he.bfv.places import Places
from mpc.he.layout import Integers, Layout, need, octets, vector
from mpc.he.seal import SEED
from mpc.he.vector import EncryptedVector, PublicKey
from mpc.he.words import Words, added, negated, pack, reduced, size, unpack

KEY = struct.Struct("<4sBQdQ")  # magic, use, limit, step, terms; then the key's two polynomials
KEY_MAGIC = b"kyB1"
BODY = struct.Struct("<B32s")  # whether the second polynomials are seeds, and the noise
EXPANDED, SEEDED = range(2)
CHUNK = 8  # ciphertexts that one call of an executor is given


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BfvPublicKey(PublicKey):
    """What it can encrypt is declared in it: a bound, a step, how many terms, and what they are for."""

    scheme: ClassVar[int] = 2

    form: Layout
    use: Use
    words: Words = field(repr=False)
    id: bytes = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", hashlib.sha256(self.to_bytes()).digest())

    @property
    def parameters(self) -> Parameters:
        return choose(self.form.limit, self.form.terms, self.use)

    def to_bytes(self) -> bytes:
        """Canonical binary form."""
        return key_bytes(KEY_MAGIC, self.form, self.use, self.words)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Self:
        """A key from outside. That it is an honest key, to which a private key belongs, cannot be seen from it."""
        form, use, words = read_key(raw, KEY_MAGIC, polynomials=2)
        if not words.any(axis=2).all():
            raise DecodeError("not a public BFV key: it would hide nothing")
        return cls(form, use, words)

    def encrypt(self, values: npt.ArrayLike, *, executor: Executor | None = None) -> BfvVector:
        """Encrypt a vector of real numbers, within what the key declares.

        Parameters
        ----------
        executor
            Spread the work over these processes (threads do not help: SEAL's binding holds the interpreter's lock).
        """
        layout, places, plains = self.plains(values)
        return self.sealed(layout, places, self.ciphertexts(plains, executor))

    def plains(self, values: npt.ArrayLike) -> tuple[Layout, Places, Words]:
        """Plaintexts of *values*, shape (ciphertexts, degree)."""
        array = vector(values)
        layout = self.form.resized(len(array))
        products = self.use != "sums"
        places = Places(self.parameters.degree, layout.length, whole=products, slots=self.use == "entries")
        return layout, places, self.placed(places, layout.encode(array))

    def placed(self, places: Places, steps: Integers) -> Words:
        plains = places.spread(residues(steps, self.parameters.plain)[None, :])[:, 0]
        return arrays.to_slots(self.parameters, plains) if places.slots else plains

    def ciphertexts(self, plains: Words, executor: Executor | None = None) -> Words:
        return np.concatenate(list(spread(executor, partial(arrays.encrypt, self.parameters, self.words), plains)))

    def sealed(self, layout: Layout, places: Places, ciphertexts: Words) -> BfvVector:
        kept, masks = places.gather(ciphertexts[:, 0]), np.ascontiguousarray(ciphertexts[:, 1])
        return BfvVector(layout, 1, True, self, places, self.parameters.fresh, 0, kept, masks)

    def zeros(self, layout: Layout, places: Places, executor: Executor | None = None) -> BfvVector:
        """Fresh zeros, in the same places."""
        plains = np.zeros((places.ciphertexts, places.degree), dtype=np.uint64)
        return self.sealed(layout, places, self.ciphertexts(plains, executor))

    def _load(self, layout: Layout, *, weight: int, arrangement: int, body: memoryview) -> BfvVector:
        parameters = self.parameters
        for name, found, declared in (("limit", layout.limit, self.form.limit), ("terms", layout.terms, self.form.terms)):
            if found != declared:
                raise DecodeError(f"the layout is not the key's: {name} {found}, the key declares {declared}")
        places = Places.of(arrangement, degree=parameters.degree, length=layout.length, use=self.use)
        if len(body) < BODY.size:
            raise DecodeError(f"the length is not that of its layout: {len(body)} bytes of at least {BODY.size}")
        form, raw_noise = BODY.unpack_from(body)
        noise, first, count = int.from_bytes(raw_noise, "little"), size(places.kept, parameters.widths), places.ciphertexts
        if form not in (EXPANDED, SEEDED) or not 1 <= noise <= parameters.room or (form == SEEDED and places.stride > 1):
            raise DecodeError("no such form, or too much noise")
        second = SEED * count if form == SEEDED else size(count * places.degree, parameters.widths)
        if len(body) != (due := BODY.size + first + second):
            raise DecodeError(f"the length is not that of its layout: {len(body)} bytes, not {due}")
        rest = body[BODY.size :]
        kept = unpack(rest[:first], (len(parameters.primes), places.kept), parameters.primes)
        make = partial(BfvVector, layout, weight, True, self, places, noise, 0, kept)
        if form == SEEDED:
            return make(bytes(rest[first:]))
        masks = unpack(rest[first:], (count, len(parameters.primes), places.degree), parameters.primes)
        if not masks.any(axis=(1, 2)).all():
            raise DecodeError("a ciphertext hides nothing")
        return make(masks)

    def __repr__(self) -> str:
        form = self.form
        return f"<BFV key {self.id[:4].hex()} for {self.use}: bound {form.bound:g}, step {form.step:g}, {form.terms} terms>"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BfvVector(EncryptedVector):
    """Numbers in the coefficients of BFV ciphertexts.

    Parameters
    ----------
    noise
        Bound on the noise in it: what `docs/proofs/bfv-noise.md` calls E. It is sent, and follows from what was done (which operations,
        with which declared bounds), never from a number.
    bare
        Bound on that part of it which numbers of an operator have shaped, and which is drowned when the vector is blinded.
    kept
        First polynomials, shape (primes, `Places.kept`).
    masks
        Second polynomials, shape (ciphertexts, primes, degree), or seeds of them, 64 bytes each, or ciphertexts that hold them.
    """

    name: ClassVar[str] = "BFV"

    public: BfvPublicKey
    places: Places
    noise: int
    bare: int
    kept: Words = field(repr=False)
    masks: Words | bytes | Products = field(repr=False)

    @property
    def key(self) -> BfvPublicKey:
        return self.public

    @property
    def arrangement(self) -> int:
        return self.places.arrangement

    def expanded(self) -> Words:
        """The second polynomials."""
        if isinstance(self.masks, bytes):
            return arrays.expand(self.public.parameters, self.masks)
        return self.masks.masks if isinstance(self.masks, Products) else self.masks

    def polynomials(self) -> Words:
        """Ciphertexts, shape (ciphertexts, 2, primes, degree); zeros where nothing was kept."""
        return np.stack([self.places.spread(self.kept), self.expanded()], axis=1)

    def hiding(self) -> Words:
        """`polynomials`, for SEAL to multiply, which refuses those that hide nothing, as of ``box - box``: they get fresh zeros.

        The bound on noise stays: what it counts for the encryptions that have vanished is as much at least.
        """
        ciphertexts = self.polynomials()
        nothing = ~ciphertexts[:, 1].any(axis=(1, 2))
        if nothing.any():
            zeros = np.zeros((np.count_nonzero(nothing), self.places.degree), dtype=np.uint64)
            ciphertexts[nothing] = added(ciphertexts[nothing], self.public.ciphertexts(zeros), self.public.parameters.primes)
        return ciphertexts

    def reblind(self, *, executor: Executor | None = None) -> Self:
        """As `blind`, in these processes; whether it was blinded already or not.

        Fresh zeros are added and, where a matrix or factors of an operator shaped the noise, 2^40 times as much noise.
        """
        zeros, flood = self.public.zeros(self.layout, self.places, executor), self.bare << FLOOD
        box = self._made(
            noise=self.noise + zeros.noise + flood, bare=0, kept=self._summing(zeros.kept), masks=self._masking(zeros.expanded())
        )
        return replace(box, kept=box._summing(self._drowning(flood)), blinded=True) if flood else replace(box, blinded=True)

    def _blinded(self) -> Self:
        return self.reblind()

    def _body(self) -> bytes:
        widths, masks = self.public.parameters.widths, self.masks
        form, second = (SEEDED, masks) if isinstance(masks, bytes) else (EXPANDED, pack(self.expanded(), widths))
        return BODY.pack(form, self.noise.to_bytes(32, "little")) + pack(self.kept, widths) + second

    # --- operators

    def _added(self, other: Self, *, weight: int) -> Self:
        noise, bare = self.noise + other.noise, self.bare + other.bare
        return self._made(weight=weight, noise=noise, bare=bare, kept=self._summing(other.kept), masks=self._masking(other.expanded()))

    def _negated(self) -> Self:
        primes = self.public.parameters.primes
        return self._made(kept=negated(self.kept, primes), masks=negated(self.expanded(), primes))

    def _shifted(self, steps: Integers, *, weight: int) -> Self:
        parameters, plains = self.public.parameters, self.public.placed(self.places, steps)
        kept = self.places.gather(arrays.add_plain(parameters, self.places.spread(self.kept), plains))
        return self._made(weight=weight, noise=self.noise + parameters.fresh, kept=kept)  # counted as if it had been encrypted

    def _scaled(self, factor: int, *, layout: Layout, weight: int) -> Self:
        constants = np.zeros((self.places.ciphertexts, self.places.degree), dtype=np.int64)
        constants[:, 0] = factor
        plains = residues(constants, self.public.parameters.plain)
        return self._each(plains, layout=layout, weight=weight, growth=weight // self.weight)

    def _multiplied(self, factor: Integers, *, layout: Layout, weight: int) -> Self:
        if not self.places.slots:
            self._cannot("be multiplied entry by entry")
        parameters = self.public.parameters
        plains = self.public.placed(self.places, factor)
        return self._each(plains, layout=layout, weight=weight, growth=widening(parameters, "entries"))

    def _each(self, plains: Words, *, layout: Layout, weight: int, growth: int) -> Self:
        """Each ciphertext times its plaintext."""
        parameters = self.public.parameters
        pairs = zip(self.hiding(), plains, strict=True)
        made = np.concatenate([arrays.multiply(parameters, ciphertext[None], plain[None, None]).words() for ciphertext, plain in pairs])
        return self._product(made, self.places, layout=layout, weight=weight, noise=self.noise * growth)

    def _applied(self, matrix: Integers, *, layout: Layout, weight: int) -> Self:
        if self.public.use != "matrices":
            self._cannot("be multiplied by a matrix")
        limit = weight // (self.weight * self.layout.length)
        return self._times(matrix, self.places.product(layout.length), layout=layout, weight=weight, limit=limit)

    def _summed(self, *, layout: Layout, weight: int) -> Self:
        if self.places.slots:
            self._cannot("be summed up")
        ones = np.ones((self.layout.length, 1), dtype=np.int64)
        return self._times(ones, Places(self.places.degree, 1, self.places.degree), layout=layout, weight=weight, limit=1)

    def _times(self, matrix: Integers, product: Places, *, layout: Layout, weight: int, limit: int) -> Self:
        parameters, places = self.public.parameters, self.places
        factors = residues(places.factors(matrix, product), parameters.plain)
        made = arrays.multiply(parameters, self.hiding(), factors)
        rows = places.length * product.each  # of a column of ours, and of those that share its ciphertext
        found = made if product.stride > 1 else made.words()
        return self._product(found, product, layout=layout, weight=weight, noise=self.noise * limit * rows)

    def _product(self, made: Words | Products, places: Places, *, layout: Layout, weight: int, noise: int) -> Self:
        bare = 0 if self.public.use == "sums" else noise
        changed = partial(self._made, layout=layout, weight=weight, places=places, noise=noise, bare=bare)
        if isinstance(made, Products):
            return changed(kept=made.kept(places.stride, places.kept), masks=made)
        return changed(kept=places.gather(made[:, 0]), masks=made[:, 1])

    def _sliced(self, start: int, stop: int, *, layout: Layout) -> Self:
        places, ciphertexts, moved = self.places.cut(start, stop)
        masks = np.roll(self.expanded()[ciphertexts], -moved, axis=2)
        over = slice(places.degree - moved, None)
        masks[:, :, over] = negated(masks[:, :, over], self.public.parameters.primes)
        return self._made(layout=layout, places=places, kept=np.ascontiguousarray(self.kept[:, start:stop]), masks=masks)

    def _cannot(self, what: str) -> NoReturn:
        uses = {"be multiplied by a matrix": "matrices", "be multiplied entry by entry": "entries"}
        hint = f': generate a key with use="{uses[what]}"' if what in uses else ""
        raise UsageError(f"a vector under a BFV key for {self.public.use} cannot {what}{hint}")

    # --- what they are made of

    def _summing(self, kept: Words) -> Words:
        return added(self.kept, kept, self.public.parameters.primes)

    def _masking(self, masks: Words) -> Words:
        return added(self.expanded(), masks, self.public.parameters.primes)

    def _drowning(self, most: int) -> Words:
        """Uniform numbers of at most *most* in size."""
        draws = [secrets.randbelow(2 * most + 1) - most for _ in range(self.places.kept)]
        return reduced(draws, self.public.parameters.primes)

    def _made(self, **changes: Any) -> Self:
        """What an operator made, if there is room for its noise."""
        box = replace(self, blinded=False, **changes)
        if box.noise > self.public.parameters.room:
            raise UsageError("the noise would leave no margin: declare more terms, or blind less often on the way")
        return box


def residues(steps: Integers, plain: int) -> Words:
    return np.where(steps < 0, steps + plain, steps).astype(np.uint64)


def spread(executor: Executor | None, task: Callable[[Words], Any], rows: Words) -> Iterator[Any]:
    """Results of *task* for rows, some at a time; all at once without an executor."""
    if executor is None:
        return iter([task(rows)])
    need(executor, Executor, ", such as concurrent.futures.ProcessPoolExecutor(2)")
    return executor.map(task, [rows[at : at + CHUNK] for at in range(0, len(rows), CHUNK)])


def key_primes(parameters: Parameters) -> tuple[int, ...]:
    return (*parameters.primes, parameters.special)


def key_bytes(magic: bytes, form: Layout, use: Use, words: Words) -> bytes:
    """A key's declaration and its polynomials, shape (polynomials, primes, degree)."""
    widths = [prime.bit_length() for prime in key_primes(choose(form.limit, form.terms, use))]
    return KEY.pack(magic, USES.index(use), form.limit, form.step, form.terms) + pack(words, widths)


def read_key(raw: bytes, magic: bytes, polynomials: int) -> tuple[Layout, Use, Words]:
    """What `key_bytes` wrote; `DecodeError` on anything else."""
    raw = octets(raw)
    if len(raw) < KEY.size:
        raise DecodeError("not a BFV key of this kind")
    found, use, limit, step, terms = KEY.unpack_from(raw)
    if found != magic or use >= len(USES):
        raise DecodeError("not a BFV key of this kind")
    try:
        form = Layout(limit, step, terms, 1)
        parameters = choose(limit, terms, USES[use])
    except UsageError as error:
        raise DecodeError(f"not a BFV key: {error}") from None
    primes = key_primes(parameters)
    shape = (polynomials, len(primes), parameters.degree)
    if len(raw) != (due := KEY.size + size(polynomials * parameters.degree, [prime.bit_length() for prime in primes])):
        raise DecodeError(f"not a BFV key: the length is not that of its parameters: {len(raw)} bytes, not {due}")
    return form, USES[use], unpack(memoryview(raw)[KEY.size :], shape, primes)
