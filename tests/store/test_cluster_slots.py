"""Where a command belongs, and what a node's refusals say: pure, so that every case is cheap."""

import pytest
from redis.exceptions import ResponseError

from amp.parse import Cluster, cluster, store_url, without_password
from amp.store.cluster_slots import (
    SLOTS,
    Node,
    Part,
    Refusal,
    SlotMap,
    goes_everywhere,
    key_of,
    parts,
    read_map,
    refusal,
    slot_of,
)

HERE, THERE = Node("10.0.0.1", 7000), Node("10.0.0.2", 7001)


@pytest.mark.parametrize(
    ("key", "slot"),
    # the first three are of the cluster specification; the rest say which part of a name counts
    [("123456789", 0x31C3), ("foo", 12182), ("bar", 5061), ("{foo}:x", 12182), ("a{foo}b{bar}", 12182)],
)
def test_a_key_lies_where_the_specification_says(key, slot):
    assert slot_of(key) == slot_of(key.encode()) == slot


def test_braces_around_nothing_are_no_tag():
    assert slot_of("{}x") != slot_of("")
    assert slot_of("{x") != slot_of("x")


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("GET", b"k"), b"k"),
        (("FCALL", "f", 2, b"k", b"l", "x"), b"k"),
        (("FCALL", "f", 0, "x"), None),
        (("XINFO", "STREAM", b"k"), b"k"),
        (("XGROUP", "CREATE", b"k", "g", "0"), b"k"),
        (("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", b"k", b"l", ">", ">"), b"k"),
        (("PUBLISH", b"channel", "x"), None),
        (("TIME",), None),
    ],
)
def test_the_first_key_says_where_a_command_goes(command, key):
    assert key_of(command) == key


def test_the_clock_goes_with_the_next_key_and_what_is_announced_with_the_last():
    foo, bar = slot_of("foo"), slot_of("bar")
    asked = [("TIME",), ("GET", "foo"), ("XADD", "bar", "*", "a", "b"), ("PUBLISH", "c", ""), ("TIME",)]
    assert parts(asked) == [Part(foo, (0, 1)), Part(bar, (2, 3, 4))]
    assert parts([("PING",)]) == [Part(None, (0,))]
    assert parts([("TIME",)]) == [Part(None, (0,))]


def test_what_has_a_meaning_on_one_node_only_is_not_sent_to_any():
    assert goes_everywhere(("FUNCTION", "LOAD", "REPLACE", "..."))
    assert not goes_everywhere(("FUNCTION", "LIST"))
    with pytest.raises(ValueError, match="nodes"):
        goes_everywhere(("SCAN", "0"))


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("MOVED 5061 10.0.0.2:7001", Refusal("moved", 5061, THERE)),
        ("ASK 5061 10.0.0.2:7001", Refusal("ask", 5061, THERE)),
        ("MOVED 5061 :7001", Refusal("moved", 5061, Node("10.0.0.1", 7001))),
        ("MOVED 5061 [::1]:7001", Refusal("moved", 5061, Node("::1", 7001))),
        ("TRYAGAIN Multiple keys request during rehashing of slot", Refusal("again")),
        ("CLUSTERDOWN Hash slot not served", Refusal("again")),
        ("LOADING Redis is loading the dataset in memory", Refusal("again")),
        ("WRONGTYPE Operation against a key", None),
    ],
)
def test_a_refusal_says_where_to_go(said, meant):
    assert refusal(ResponseError(said), HERE) == meant


def test_an_answer_is_no_refusal():
    assert refusal(b"MOVED 1 10.0.0.2:7001", HERE) is None


def test_a_map_is_read_with_replicas_and_nodes_that_do_not_know_their_address():
    told = [
        [0, 99, [b"", 7000, b"id"], [b"10.0.0.2", 7001, b"id"]],
        [100, SLOTS - 2, [None, 7000, b"id"]],
        [SLOTS - 1, SLOTS - 1, [b"10.0.0.2", 7001, b"id"]],
    ]
    found = read_map(told, HERE)
    assert (found.owner(0), found.owner(SLOTS - 1), found.masters) == (HERE, THERE, [HERE, THERE])
    assert found.whole
    assert not SlotMap([(0, 5, HERE)]).whole
    found.move(0, THERE)
    assert (found.owner(0), found.owner(1)) == (THERE, HERE)


def test_a_url_names_nodes_and_a_login():
    assert cluster("redis+cluster://a:7000,b:7001") == Cluster((("a", 7000), ("b", 7001)), False, None, None)
    assert cluster("rediss+cluster://me:p%40ss@[::1]:7000,b/0") == Cluster(
        (("::1", 7000), ("b", 6379)), True, "me", "p@ss"
    )
    assert without_password("redis+cluster://me:secret@a:1,b:2") == "redis+cluster://***@a:1,b:2"


@pytest.mark.parametrize(
    "url",
    [
        "redis+cluster://",
        "redis+cluster://a:7000,",
        "redis+cluster://a:70000",
        "redis+cluster://a:port",
        "redis+cluster://a:7000/1",
        "redis+cluster://a:7000?password=x",
    ],
)
def test_a_bad_url_is_refused_with_what_is_allowed(url):
    with pytest.raises(ValueError, match=r"HOST:PORT|of a cluster must"):
        store_url(url)
