"""Secret sharing, and computing on shares.

    scheme = sharing.Additive(["a", "b", "c"])        # modulo 2^64; or sharing.Shamir([…], threshold=2), modulo 2^61 - 1
    shares = scheme.split(scheme.numbers.encode([36.6, 37.2], 20))        # one for each party, by name

Parties compute as generators (`protocol`): sums of shares by themselves, products by `multiply` with a `Triple` each, back to their step by
`truncate` with a `Mask` each, and `reveal` opens what all agreed to open. Triples and masks come from a `Dealer`, or from the
parties themselves (`mpc.sharing.triples`, which needs `mpc.he`, and `contribute`).
Keys are shared verifiably (`feldman`), seeds of 32 bytes one by one (`seeds`, which `mpc.secagg` uses).
Who learns what, and in which model, is said in each module; docs/guides/secret-sharing.md begins with an example.
"""

from mpc.rings import Rand
from mpc.sharing import feldman, seeds
from mpc.sharing.dealer import Dealer
from mpc.sharing.numbers import F61, Z32, Z64, Z128, Share
from mpc.sharing.products import Triple, multiply
from mpc.sharing.protocol import Broadcast, reveal, run
from mpc.sharing.schemes import Additive, Seat, Shamir
from mpc.sharing.truncation import Mask, contribute, together, truncate

__all__ = [
    "F61",
    "Z32",
    "Z64",
    "Z128",
    "Additive",
    "Broadcast",
    "Dealer",
    "Mask",
    "Rand",
    "Seat",
    "Shamir",
    "Share",
    "Triple",
    "contribute",
    "feldman",
    "multiply",
    "reveal",
    "run",
    "seeds",
    "together",
    "truncate",
]
