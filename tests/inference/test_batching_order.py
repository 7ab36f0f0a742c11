from hypothesis import given, settings
from hypothesis import strategies as st

from inference.batching import Priority
from tests.inference.lines import Line


def names(letter: str, count: int) -> list[str]:
    return [f"{letter}{i}" for i in range(count)]


def joined(batches: list[list[str]]) -> str:
    return " ".join("+".join(batch) for batch in batches)


def test_nothing_waits() -> None:
    line = Line()
    assert line.take() is None
    assert line.schedule.next_to_prepare() is None
    assert line.arrive() == []


def test_single_images_go_in_the_order_of_arrival() -> None:
    line = Line()
    for name in "abc":
        line.arrive(name)
    assert joined(line.run_all()) == "a b c"


def test_a_single_image_goes_ahead_of_most_of_a_long_request() -> None:
    line = Line(seconds_per_image=1.0)
    line.arrive(*names("a", 64))
    assert [line.run(1.0), line.run(1.0)] == [["a0"], ["a1"]]
    line.arrive("b")
    assert joined(line.run_all()).startswith("a2 b a3 a4")


def test_requests_of_many_images_take_turns() -> None:
    line = Line(seconds_per_image=1.0)
    line.arrive(*names("a", 4))
    line.arrive(*names("b", 4))
    assert joined(line.run_all()) == "a0 b0 a1 b1 a2 b2 a3 b3"


def test_a_single_image_goes_ahead_of_most_tiles_of_a_photo() -> None:
    line = Line(table={1: 1.0})
    line.arrive("a", tiles=13)
    assert line.run(1.0) == ["a.0"]
    line.arrive("b")
    assert joined(line.run_all()).startswith("a.1 b a.2 a.3")


def test_images_are_prepared_in_the_same_order() -> None:
    line = Line(seconds_per_image=1.0)
    line.schedule.admit(line.backlog.admit(names("a", 3), now=0.0))
    line.schedule.admit(line.backlog.admit(["b"], now=0.5))
    order = [line.schedule.next_to_prepare() for _ in range(4)]
    assert [ticket.payload for ticket in order if ticket] == ["a0", "b", "a1", "a2"]


def test_who_waits_goes_ahead_of_a_folder() -> None:
    line = Line()
    line.arrive("folder", priority=Priority.FOLDER)
    line.now = 7.0
    line.arrive("a", "b")
    assert joined(line.run_all()) == "a b folder"


def test_a_folder_does_not_starve() -> None:
    line = Line(seconds_per_image=1.0)
    line.arrive("folder", priority=Priority.FOLDER)
    taken = []
    while "folder" not in taken:  # as many come as the model can take, for ever
        line.arrive(f"at {line.now}")
        taken += line.run(1.0)
    assert line.now <= 11.0


def test_an_earlier_deadline_goes_first_and_a_late_one_changes_nothing() -> None:
    line = Line(seconds_per_image=0.0)
    line.arrive("a")
    line.arrive("late", deadline_s=60.0)
    line.arrive("soon", deadline_s=0.5)
    line.arrive("sooner", deadline_s=0.2)
    line.arrive("b")
    assert joined(line.run_all()) == "sooner soon a late b"


def test_what_is_late_is_dropped_and_never_runs() -> None:
    line = Line(seconds_per_image=0.0)
    line.arrive("a")
    late, in_time = line.arrive("late", deadline_s=2.0) + line.arrive("c", deadline_s=4.0)
    line.now = 2.0
    assert joined(line.run_all()) == "a c"
    assert not late.is_open
    assert len(line.backlog) == 0
    assert not in_time.is_open


def test_the_rest_of_a_photo_that_is_late_is_dropped() -> None:
    line = Line()
    (photo,) = line.arrive("photo", tiles=3, deadline_s=2.0)
    assert line.run(2.0) == ["photo.0"]
    assert line.run() == []
    assert not photo.is_open


def test_what_is_in_the_model_is_not_late_any_more() -> None:
    line = Line()
    (ticket,) = line.arrive("a", deadline_s=2.0)
    assert line.take() is not None
    line.now = 3.0
    assert line.backlog.expired(line.now) == []
    assert ticket.is_open


def test_a_cancelled_ticket_is_skipped_and_holds_nothing() -> None:
    line = Line(max_batch=4)
    a, b = line.arrive("a", tiles=2) + line.arrive("b")
    line.end(a)
    assert (a.items, a.parts, a.payload) == ((), [], None)
    assert joined(line.run_all()) == "b"
    assert not b.is_open


def test_a_ticket_cancelled_before_it_was_prepared_is_skipped() -> None:
    line = Line()
    tickets = line.backlog.admit(["a", "b"], now=0.0)
    line.schedule.admit(tickets)
    line.end(tickets[0])
    assert line.schedule.next_to_prepare() is tickets[1]


def test_only_equal_keys_share_a_batch_and_the_key_that_is_due_first_goes_first() -> None:
    line = Line(max_batch=8, key=len, seconds_per_image=0.0)
    for name in ("aa", "b", "cc", "d"):
        line.arrive(name)
    assert joined(line.run_all()) == "aa+cc b+d"


def test_a_batch_is_as_large_as_its_costs_say() -> None:
    cheap = Line(table={1: 1.0, 2: 1.1, 4: 1.2}, max_batch=4, seconds_per_image=0.0)
    cheap.arrive(*names("a", 6))
    assert joined(cheap.run_all()) == "a0+a1+a2+a3 a4+a5"
    dear = Line(table={1: 1.0, 2: 1.6, 4: 3.2}, max_batch=4, seconds_per_image=0.0)
    dear.arrive(*names("a", 6))
    assert joined(dear.run_all()) == "a0+a1 a2+a3 a4+a5"


def test_a_batch_has_at_most_so_many_pixels_and_at_least_one_item() -> None:
    line = Line(
        max_batch=8, key=len, weight=lambda key: 10 * key, max_weight=40, seconds_per_image=0.0
    )
    line.arrive(*(letter for letter in "abcdefgh"))
    line.arrive("ii", "jj", "kk")
    line.arrive("lllll", "mmmmm")
    sizes = [(len(batch), len(batch[0])) for batch in line.run_all()]
    assert sizes == [(4, 1), (4, 1), (2, 2), (1, 2), (1, 5), (1, 5)]


Requests = st.lists(
    st.tuples(
        st.floats(0, 20),  # when
        st.integers(1, 6),  # images
        st.integers(1, 3),  # tiles
        st.sampled_from(Priority),
    ),
    max_size=12,
)


@settings(deadline=None)
@given(Requests)
def test_everything_runs_once_and_nobody_waits_for_who_came_after_they_were_due(
    requests: list[tuple[float, int, int, Priority]],
) -> None:
    line = Line(table={1: 1.0}, seconds_per_image=1.0)
    dues: dict[str, float] = {}
    admitted: dict[str, float] = {}
    order: list[str] = []
    for i, (when, images, tiles, priority) in enumerate(sorted(requests, key=lambda r: r[0])):
        while line.now < when:
            ran = line.run(1.0)
            order += ran
            line.now = line.now if ran else when
        mine = names(f"{i}-", images)
        for ticket in line.arrive(*mine, tiles=tiles, priority=priority):
            for k, item in enumerate(ticket.items):
                dues[item], admitted[item] = ticket.due + k, ticket.admitted_at
    order += [item for batch in line.run_all() for item in batch]
    assert sorted(order) == sorted(dues)
    for place, item in enumerate(order):
        for earlier in order[:place]:
            assert admitted[earlier] <= dues[item]
