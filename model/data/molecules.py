"""Molecules as graphs: atoms but for hydrogen, and the bonds between them."""

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem.Scaffolds import MurckoScaffold

from model.errors import InputError
from model.preprocess.graph import Graph

ELEMENTS = ("C", "N", "O", "F", "P", "S", "Cl", "Br", "I")
ORDERS = (1.0, 2.0, 3.0, 1.5)  # single, double, triple, aromatic
MOST = 4  # neighbours, or hydrogens, of an atom
FEATURES = len(ELEMENTS) + 1 + 2 * (MOST + 1) + 1 + len(ORDERS)


def parse(smiles: str) -> Chem.Mol:
    """Read a SMILES string (Weininger 1988).

    Raises:
        InputError: it is none, or a molecule without an atom.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        raise InputError(f"{smiles!r} is not SMILES of a molecule")
    return molecule


def scaffold(molecule: Chem.Mol) -> str:
    """What is left without side chains and chirality (Bemis and Murcko 1996), as SMILES."""
    return MurckoScaffold.MurckoScaffoldSmiles(mol=molecule, includeChirality=False)


def to_graph(molecule: Chem.Mol) -> Graph:
    """Nodes float32 (atoms, FEATURES) and each bond as an edge.

    A node: its element, one of ELEMENTS or none of them; whether it is aromatic; how many
    neighbours (0 to MOST) and hydrogens (0 to MOST), one of each; whether it is in a ring; how many
    bonds of each of ORDERS it has.
    """
    bonds = [sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx())) for b in molecule.GetBonds()]
    nodes = np.stack([_features(atom) for atom in molecule.GetAtoms()])
    return Graph(nodes, np.array(sorted(bonds), np.int64).reshape(-1, 2))


def _features(atom: Chem.Atom) -> NDArray[np.float32]:
    orders = [bond.GetBondTypeAsDouble() for bond in atom.GetBonds()]
    numbers = range(MOST + 1)
    features = [
        *(atom.GetSymbol() == symbol for symbol in ELEMENTS),
        atom.GetIsAromatic(),
        *(min(atom.GetDegree(), MOST) == number for number in numbers),
        *(min(atom.GetTotalNumHs(), MOST) == number for number in numbers),
        atom.IsInRing(),
        *(orders.count(order) for order in ORDERS),
    ]
    return np.array(features, np.float32)
