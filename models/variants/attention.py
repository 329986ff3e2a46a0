"""Soft attention: a query reads from a memory, from each slot the more the better it fits."""

from __future__ import annotations

from nodegraph import nn
from nodegraph.gmodule import GModule
from nodegraph.models.variants.blocks import candidate
from nodegraph.nn.parametric import size as positive
from nodegraph.node import Node, annotate_nodes


def dot_product_attention(size: int) -> GModule:
    """Attention by scaled dot products: `[query, memory]` -> `[memory, read]`.

    The query is (batch, size), the memory m (batch, slots, size), and read (batch, size)::

        score_s = m_s . query / sqrt(size)
        a = softmax(score)
        read = sum over s of a_s m_s

    There are no weights. The memory comes out as it went in, so that `Recurrent` keeps it over time as a state that no
    step changes. The node `attention` has a, (batch, slots).

    Initialisation: nothing to set. Without the factor 1 / sqrt(size) wide queries would begin with one slot alone.

    >>> memory = np.array([[[10.0, 0.0], [0.0, 10.0]]])
    >>> _, read = dot_product_attention(2).forward([np.array([[10.0, 0.0]]), memory])
    >>> read.round(3)
    array([[10.,  0.]])

    Source: Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation" (2015); the
    scale: Vaswani et al., "Attention is all you need" (2017).
    """
    query, memory = nn.Identity()(), nn.Identity()()

    score = nn.MulConstant(positive(size, "size") ** -0.5)(nn.MV()([memory, query]))
    attention = nn.SoftMax()(score)
    read = weighted_sum(attention, memory)

    annotate_nodes()
    return GModule([query, memory], [memory, read])


def additive_attention(query_size: int, memory_size: int, slots: int, attention_size: int) -> GModule:
    """Attention by a small network: `[query, memory]` -> `[memory, read]`.

    The query is (batch, query_size), the memory m (batch, slots, memory_size), and read (batch, memory_size)::

        score_s = v . tanh(W query + b + U m_s)
        a = softmax(score)
        read = sum over s of a_s m_s

    v has `attention_size` elements. The memory comes out as it went in, so that `Recurrent` keeps it over time as a
    state that no step changes. The node `attention` has a, (batch, slots).

    Initialisation: v small or 0 (node `v`), so that at first all slots are read alike.

    >>> layer = additive_attention(3, 2, slots=4, attention_size=5)
    >>> memory, read = layer.forward([np.zeros((1, 3)), np.ones((1, 4, 2))])
    >>> read
    array([[1., 1.]])

    Source: Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate" (2015).
    """
    query, memory = nn.Identity()(), nn.Identity()()

    W = nn.Linear(query_size, attention_size)(query)
    U = nn.Bottle(nn.Linear(memory_size, attention_size, bias=False))(memory)
    fit = candidate(nn.Replicate(slots, 1)(W), U)
    v = nn.Bottle(nn.Linear(attention_size, 1, bias=False))(fit)
    score = nn.Squeeze(2)(v)
    attention = nn.SoftMax()(score)
    read = weighted_sum(attention, memory)

    annotate_nodes()
    return GModule([query, memory], [memory, read])


def weighted_sum(attention: Node, memory: Node) -> Node:
    """The sum over the slots s of attention_s memory_s: (batch, slots), (batch, slots, size) -> (batch, size)."""
    return nn.MV(trans=True)([memory, attention])
