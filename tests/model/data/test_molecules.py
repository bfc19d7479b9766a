import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.data.molecules import ELEMENTS, FEATURES, MOST, parse, scaffold, to_graph
from model.errors import InputError

HYDROGENS = slice(len(ELEMENTS) + MOST + 2, len(ELEMENTS) + 2 * MOST + 3)


@pytest.mark.parametrize(
    ("smiles", "hydrogens"),  # of each atom, as any chemistry book has them
    [
        ("CCO", [3, 2, 1]),
        ("CC(=O)Nc1ccccc1", [3, 0, 0, 1, 0, 1, 1, 1, 1, 1]),
        ("Cn1cccc1", [3, 0, 1, 1, 1, 1]),
        ("CS(=O)(=O)C", [3, 0, 0, 0, 3]),
        ("[NH4+]", [4]),
    ],
)
def test_a_node_tells_its_hydrogens(smiles, hydrogens):
    nodes = to_graph(parse(smiles)).nodes
    assert nodes[:, HYDROGENS].argmax(axis=1).tolist() == hydrogens


def test_branches_and_rings_are_edges():
    norbornane = to_graph(parse("C1CC2CCC1C2"))
    pairs = [[0, 1], [0, 5], [1, 2], [2, 3], [2, 6], [3, 4], [4, 5], [5, 6]]
    assert norbornane.edges.tolist() == pairs


def test_a_node_says_what_the_atom_is():
    nodes = to_graph(parse("Clc1ccccc1C#N")).nodes
    assert nodes.shape == (9, FEATURES)
    carbon = np.zeros(FEATURES)
    # element, aromatic, three neighbours, no hydrogen, in a ring, a single bond and two aromatic
    carbon[[ELEMENTS.index("C"), 9, 10 + 3, 15 + 0, 20, 21]] = 1
    carbon[24] = 2
    assert nodes[1].tolist() == carbon.tolist()
    nitrogen = np.zeros(FEATURES)
    nitrogen[[ELEMENTS.index("N"), 10 + 1, 15 + 0, 23]] = 1
    assert nodes[8].tolist() == nitrogen.tolist()


def test_one_atom_is_a_graph_without_edges():
    assert to_graph(parse("C")).edges.shape == (0, 2)


def test_side_chains_do_not_change_the_scaffold():
    assert scaffold(parse("Cc1ccc(O)cc1C(=O)O")) == scaffold(parse("c1ccccc1"))
    assert scaffold(parse("C[C@H]1CCN(C)C1=O")) == scaffold(parse("O=C1CCCN1"))
    assert scaffold(parse("c1ccncc1")) != scaffold(parse("c1ccccc1"))


@given(st.text("CNOcn()12=#[H]lBr%+", max_size=20))
def test_any_text_is_a_graph_or_refused(smiles):
    try:
        graph = to_graph(parse(smiles))
    except InputError:
        return
    assert len(graph.nodes) >= 1
    assert all(0 <= i < j < len(graph.nodes) for i, j in graph.edges.tolist())


@pytest.mark.parametrize("smiles", ["", "C1CC", "C(C", "Cx", "(", "C(C)(C)(C)(C)C"])
def test_what_is_no_molecule_is_refused(smiles):
    with pytest.raises(InputError, match="is not SMILES of a molecule"):
        parse(smiles)
