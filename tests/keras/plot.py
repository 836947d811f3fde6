"""Records what `keras.utils.model_to_dot` says of a few fixtures: nodes, labels, clusters and edges.

    python tests/keras/plot.py

It runs Keras' own function. What that builds its answer with, pydot, is replaced by lists.
"""

import json
import os
import re
import sys
import types
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

# Plain models, nested ones, layers that are called again, several inputs and outputs, operations, wrappers,
# other types, frozen layers, layers as activations.
CASES = [
    "architecture/gpt",
    "architecture/seq2seq_attention",
    "architecture/tagger",
    "core/build_input_shape",
    "core/conv_layer_as_activation",
    "core/input_int32",
    "core/activation_leaky_relu",
    "dtypes/frozen",
    "dtypes/mixed_bfloat16_nested",
    "graph/dict_inputs_and_outputs",
    "graph/frozen",
    "graph/functional_in_sequential",
    "graph/functional_is_output",
    "graph/functional_two_levels",
    "graph/list_of_one_input",
    "graph/nested_called_twice_outputs",
    "graph/nested_chained",
    "graph/nested_dict",
    "graph/nested_many_outputs",
    "graph/nested_structure",
    "graph/net_residual",
    "graph/order_late_input",
    "graph/output_is_input",
    "graph/sequential_called_twice",
    "graph/sequential_in_functional",
    "graph/sequential_in_sequential",
    "graph/sequential_two_levels",
    "graph/shared_chain",
    "graph/shared_lstm",
    "graph/siamese",
    "graph/three_inputs_three_outputs",
    "graph/unused_input",
    "mask/by_name",
    "mask/use_two_outputs",
    "rnn/bidirectional_lstm_state",
    "rnn/distributed_functional",
]

BARE = "graph/functional_two_levels"


class Graph:
    """A graph or a cluster of pydot's, as far as Keras makes use of it."""

    def __init__(self, *, style=None, graph_name=None):
        self.attributes, self.parts, self.edges = {}, [], []

    def set(self, key, value):
        self.attributes[key] = value

    def set_node_defaults(self, **_):
        pass

    def add_node(self, node):
        self.parts.append(node)

    def add_subgraph(self, cluster):
        self.parts.append(cluster)

    def get_edge(self, source, target):
        return [edge for edge in self.edges if edge.ends == (source, target)]

    def add_edge(self, edge):
        self.edges.append(edge)


class Node:
    def __init__(self, name, label):
        self.name, self.label = name, label

    def set(self, key, value):
        pass


class Edge:
    def __init__(self, source, target):
        self.ends = (source, target)

    def set(self, key, value):
        pass


pydot = types.ModuleType("pydot")
pydot.Dot = pydot.Cluster = Graph
pydot.Node, pydot.Edge = Node, Edge
sys.modules["pydot"] = pydot

import keras  # noqa: E402


def cells(label):
    """The texts in the table of a label."""
    return [re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", label)]


def described(graph):
    """Nodes as lists of texts, clusters as objects with a name, edges by the numbers of nodes."""
    numbers, edges = {}, []

    def parts(graph):
        found = []
        for part in graph.parts:
            if isinstance(part, Node):
                numbers[part.name] = len(numbers)
                found.append(cells(part.label))
            else:
                found.append({"name": part.attributes["label"], "parts": parts(part)})
        edges.extend(edge.ends for edge in graph.edges)
        return found

    found = parts(graph)
    edges = sorted({(numbers[source], numbers[target]) for source, target in edges})
    return {"parts": found, "edges": edges}


def expanded(model, **options):
    """None where Keras itself fails: it looks for the input of an inner model that a mask would be."""
    try:
        return described(keras.utils.model_to_dot(model, expand_nested=True, **options))
    except IndexError:
        return None


def main():
    recorded = {}
    for case in CASES:
        model = keras.saving.load_model(FIXTURES / f"{case}.keras", compile=False)
        everything = dict.fromkeys(
            ["show_shapes", "show_dtype", "show_layer_activations", "show_trainable"], True
        )
        facts = {"collapsed": described(keras.utils.model_to_dot(model, **everything))}
        inner = expanded(model, **everything)
        if inner is not None and inner != facts["collapsed"]:
            facts["expanded"] = inner
        recorded[case] = facts
    bare = keras.saving.load_model(FIXTURES / f"{BARE}.keras", compile=False)
    recorded[BARE]["bare"] = described(keras.utils.model_to_dot(bare, show_layer_names=False))
    lines = (f"{json.dumps(case)}: {json.dumps(facts)}" for case, facts in recorded.items())
    text = "{\n" + ",\n".join(lines) + "\n}\n"
    (FIXTURES / "plot").mkdir(exist_ok=True)
    (FIXTURES / "plot" / "facts.json").write_text(text)
    print(f"{len(recorded)} models of Keras {keras.__version__}")


main()
