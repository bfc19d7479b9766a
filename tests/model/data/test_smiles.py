import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.smiles import ELEMENTS, FEATURES, parse, to_graph
from model.errors import InputError

# Hydrogens of each atom, as any chemistry book has them.
HYDROGENS = {
    "C": [4],
    "CCO": [3, 2, 1],
    "C#N": [1, 0],
    "CC(=O)Nc1ccccc1": [3, 0, 0, 1, 0, 1, 1, 1, 1, 1],
    "c1cc[nH]c1": [1, 1, 1, 1, 1],
    "Cn1cccc1": [3, 0, 1, 1, 1, 1],
    "c1ccncc1": [1, 1, 1, 0, 1, 1],
    "c1ccsc1": [1, 1, 1, 0, 1],
    "ClC(Br)I": [0, 1, 0, 0],
    "CS(=O)(=O)C": [3, 0, 0, 0, 3],
    "COP(=S)(OC)OC": [3, 0, 0, 0, 0, 3, 0, 3],
    "CN(=O)=O": [3, 0, 0, 0],
    "C/C=C\\C": [3, 1, 1, 3],
    "SC": [1, 3],
}


@pytest.mark.parametrize(("smiles", "expected"), HYDROGENS.items())
def test_hydrogens_fill_what_the_valence_leaves(smiles, expected):
    molecule = parse(smiles)
    assert [molecule.hydrogens(atom) for atom in range(len(expected))] == expected
    assert len(molecule.symbols) == len(expected)


def test_branches_and_rings_are_bonds():
    norbornane = parse("C1CC2CCC1C2")
    edges = {frozenset(edge) for edge in to_graph(norbornane).edges.tolist()}
    pairs = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (0, 5), (5, 6), (2, 6)]
    assert edges == {*map(frozenset, pairs)}
    assert parse("C%12CC%12").bonds == parse("C1CC1").bonds
    assert parse("C=1CC1").bonds == parse("C1CC=1").bonds == parse("C=1CC=1").bonds


def test_the_bond_between_two_aromatic_rings_is_single():
    biphenyl = parse("c1ccccc1c2ccccc2")
    assert biphenyl.bonds[5][6] == 1
    assert biphenyl.bonds[4][5] == biphenyl.bonds[6][7] == 1.5
    assert not biphenyl.in_ring(5, 6)
    assert biphenyl.in_ring(0, 5)


def test_a_node_says_what_the_atom_is():
    nodes = np.asarray(to_graph(parse("Clc1ccccc1C#N")).nodes)
    assert nodes.shape == (9, FEATURES)
    elements = [*ELEMENTS]
    carbon = np.zeros(FEATURES)
    # element, aromatic, three neighbours, no hydrogen, in a ring, a single bond and two aromatic
    carbon[[elements.index("C"), 9, 10 + 3, 15 + 0, 20, 21]] = 1
    carbon[24] = 2
    assert nodes[1].tolist() == carbon.tolist()
    nitrogen = np.zeros(FEATURES)
    nitrogen[[elements.index("N"), 10 + 1, 15 + 0, 23]] = 1
    assert nodes[8].tolist() == nitrogen.tolist()
    assert nodes[0].nonzero()[0].tolist() == [elements.index("Cl"), 10 + 1, 15 + 0, 21]


def test_one_atom_is_a_graph_without_edges():
    graph = to_graph(parse("C"))
    assert np.asarray(graph.edges).shape == (0, 2)


@pytest.mark.parametrize(
    "smiles",
    ["", "C1CC", "C(C", "CC)", "C[Na+]", "Cx", "1CC", "C.C", "[C@H]", "C\n", "(", "=", "%"],
)
def test_what_is_not_understood_is_refused(smiles):
    with pytest.raises(InputError, match="cannot be read as SMILES"):
        parse(smiles)


@given(st.text("CNOcn()12=#[H]lBr%+", max_size=20))
def test_any_text_is_a_graph_or_refused(smiles):
    try:
        graph = to_graph(parse(smiles))
    except InputError:
        return
    nodes = len(np.asarray(graph.nodes))
    assert nodes >= 1
    assert all(0 <= i < j < nodes for i, j in np.asarray(graph.edges).tolist())
