"""Molecules as graphs, from SMILES (Weininger 1988): organic atoms without charge or isotope."""

import re
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.preprocess.graph import Graph

ELEMENTS = {"C": (4,), "N": (3, 5), "O": (2,), "F": (1,), "P": (3, 5), "S": (2, 4, 6)}
ELEMENTS |= {"Cl": (1,), "Br": (1,), "I": (1,)}  # symbol -> valences
AROMATIC = 1.5  # order of a bond between aromatic atoms
ORDERS = {"-": 1.0, "=": 2.0, "#": 3.0, "/": 1.0, "\\": 1.0, ":": AROMATIC}
MOST = 4  # neighbours, or hydrogens, of an atom
TOKEN = re.compile(r"\[nH]|Cl|Br|[CNOFPSI]|[cnops]|[-=#:/\\]|[()]|%\d\d|\d")
FEATURES = len(ELEMENTS) + 1 + 2 * (MOST + 1) + 1 + 4


@dataclass
class Molecule:
    """Atoms but for hydrogen, and the bonds between them.

    Attributes:
        symbols: of each atom, in small letters if it is aromatic; "[nH]" with its hydrogen.
        bonds: of each atom, its neighbours and the bonds' orders.
    """

    symbols: list[str] = field(default_factory=list)
    bonds: list[dict[int, float]] = field(default_factory=list)

    def add(self, symbol: str) -> int:
        """A new atom's number."""
        self.symbols.append(symbol)
        self.bonds.append({})
        return len(self.symbols) - 1

    def bind(self, one: int, other: int, order: float | None) -> None:
        """A bond; None: what it is between two such atoms."""
        if order is None:
            both = self.aromatic(one) and self.aromatic(other)
            order = AROMATIC if both else 1.0
        self.bonds[one][other] = self.bonds[other][one] = order

    def aromatic(self, atom: int) -> bool:
        """Whether the atom is part of an aromatic ring."""
        return self.symbols[atom].strip("[]")[0].islower()

    def element(self, atom: int) -> str:
        """The atom's symbol in the periodic table."""
        return self.symbols[atom].strip("[]H").capitalize()

    def hydrogens(self, atom: int) -> int:
        """What the smallest valence that its bonds allow leaves free."""
        if "H" in self.symbols[atom]:
            return 1
        taken = sum(1 if order == AROMATIC else order for order in self.bonds[atom].values())
        valences = ELEMENTS[self.element(atom)]
        if self.aromatic(atom):
            return int(max(valences[0] - taken - 1, 0))
        return int(next((v - taken for v in valences if v >= taken), 0))

    def in_ring(self, one: int, other: int) -> bool:
        """Whether there is another way between two neighbours than their bond."""
        seen, waiting = {one}, deque(self.bonds[one].keys() - {other})
        while waiting:
            if (atom := waiting.popleft()) == other:
                return True
            seen.add(atom)
            waiting.extend(self.bonds[atom].keys() - seen)
        return False


def parse(smiles: str) -> Molecule:
    """Read a SMILES string.

    Raises:
        InputError: it holds what this reader does not know, or does not fit together.
    """
    reader, place = _Reader(), 0
    for token in TOKEN.finditer(smiles):
        if token.start() != place or not reader.take(token.group()):
            break
        place = token.end()
    if place != len(smiles) or not reader.done():
        raise InputError(f"{smiles!r} cannot be read as SMILES from {place} on")
    molecule = reader.molecule
    for one, bonds in enumerate(molecule.bonds):
        for other, order in bonds.items():
            if order == AROMATIC and not molecule.in_ring(one, other):  # between two rings
                molecule.bind(one, other, 1.0)
    return molecule


class _Reader:
    def __init__(self) -> None:
        self.molecule = Molecule()
        self.last: int | None = None  # atom that the next one is bound to
        self.order: float | None = None  # of that bond, if it was given
        self.branches: list[int] = []  # atoms to go back to
        self.rings: dict[str, tuple[int, float | None]] = {}  # atoms that wait for their bond

    def done(self) -> bool:
        """Whether it may end here."""
        waiting = self.branches or self.rings or self.order
        return self.last is not None and not waiting

    def take(self, sign: str) -> bool:
        """Go on with a sign; False: it cannot stand here."""
        if sign[-1].isalpha() or sign[-1] == "]":
            self._atom(sign)
        elif self.last is None:
            return False
        elif sign in ORDERS:
            self.order = ORDERS[sign]
        elif sign == "(":
            self.branches.append(self.last)
        elif sign == ")" and self.branches:
            self.last = self.branches.pop()
        else:
            return sign[-1].isdigit() and self._ring(sign, self.last)
        return True

    def _atom(self, symbol: str) -> None:
        atom = self.molecule.add(symbol)
        if self.last is not None:
            self.molecule.bind(self.last, atom, self.order)
        self.last, self.order = atom, None

    def _ring(self, number: str, atom: int) -> bool:
        if number not in self.rings:
            self.rings[number] = atom, self.order
            self.order = None
            return True
        other, order = self.rings.pop(number)
        if other == atom or other in self.molecule.bonds[atom]:
            return False
        self.molecule.bind(other, atom, order if self.order is None else self.order)
        self.order = None
        return True


def to_graph(molecule: Molecule) -> Graph:
    """Nodes float32 (atoms, FEATURES) and each bond as an edge.

    A node: its element, one of ELEMENTS; whether it is aromatic; how many neighbours (0 to MOST)
    and hydrogens (0 to MOST), one of each; whether it is in a ring; how many single, double,
    triple and aromatic bonds it has.
    """
    nodes = np.stack([_features(molecule, atom) for atom in range(len(molecule.symbols))])
    edges = [(i, j) for i, bonds in enumerate(molecule.bonds) for j in bonds if i < j]
    return Graph(nodes, np.array(edges, np.int64).reshape(-1, 2))


def _features(molecule: Molecule, atom: int) -> NDArray[np.float32]:
    orders = list(molecule.bonds[atom].values())
    numbers = range(MOST + 1)
    features = [
        *(molecule.element(atom) == symbol for symbol in ELEMENTS),
        molecule.aromatic(atom),
        *(min(len(orders), MOST) == number for number in numbers),
        *(min(molecule.hydrogens(atom), MOST) == number for number in numbers),
        any(molecule.in_ring(atom, other) for other in molecule.bonds[atom]),
        *(orders.count(order) for order in (1.0, 2.0, 3.0, AROMATIC)),
    ]
    return np.array(features, np.float32)
