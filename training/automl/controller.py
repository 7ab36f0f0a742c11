"""The controller of a sweep: one process that draws trials, starts them on slots and watches them.

It keeps nothing that is not in the run's files: killed at any moment, the next one goes on with the
same trials from their last checkpoints, and with the time that is left.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from training.automl.clock import Clock
from training.automl.launcher import Handle, Launcher
from training.automl.leaderboard import write_leaderboard
from training.automl.lifeline import GRACE_SECONDS, wait_for_orphans
from training.automl.policies import Policy, reason_to_stop
from training.automl.proposals import Proposal, Proposer, identity
from training.automl.records import TrialRecord, load_records
from training.automl.slots import Slot
from training.automl.smaller import make_smaller, told
from training.automl.verdicts import Asked, Verdict, judge, kernel_kills
from training.runs import Run

TIMEOUT_GRACE_SECONDS = 300.0  # to judge and export the best epoch once the job's time is up
_WRITE_SECONDS = 1.0  # at most so often is the leaderboard written


class Watcher(Protocol):
    """Shows a person what happens."""

    def event(self, text: str) -> None:
        """Say what has just happened."""
        ...

    def update(self, records: Sequence[TrialRecord], seconds: float) -> None:
        """Show all trials as they are now, after `seconds` of work."""
        ...


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep is to do.

    facts: what every trial's params.json says beside its hyperparameters. seconds: the time that
    the job has. images: how many are trained on.
    """

    metric: str
    facts: Mapping[str, Any]
    max_trials: int
    seconds: float
    policy: Policy | None
    images: int


@dataclass(slots=True)
class _Running:
    record: TrialRecord
    handle: Handle
    slot: Slot
    kills_before: int
    kill_at: float | None = None  # monotonic time at which asking turns into killing


class Controller:
    """Runs one sweep; `request_stop` may be called from a signal handler."""

    def __init__(
        self,
        run: Run,
        plan: Plan,
        *,
        propose: Proposer,
        launcher: Launcher,
        slots: Sequence[Slot],
        watcher: Watcher,
        poll_seconds: float = 0.2,
        count_kills: Callable[[], int] = kernel_kills,
    ) -> None:
        self._run = run
        self._plan = plan
        self._propose = propose
        self._launcher = launcher
        self._watcher = watcher
        self._poll_seconds = poll_seconds
        self._count_kills = count_kills
        self._free = list(slots)
        self._running: list[_Running] = []
        self._stop_requests = 0
        self._exhausted = False
        self._clock = Clock(run.path / "clock.json")
        wait_for_orphans(trial.path for trial in run.trials())
        self.records = load_records(run, metric=plan.metric)
        self._waiting = [record for record in self.records if record.outcome is None]
        self._known = {identity(record.point.values) for record in self.records}
        self._written_at = 0.0

    def request_stop(self) -> None:
        """Stop all trials so that they can be resumed; at the second request by force."""
        self._stop_requests += 1

    def run(self) -> bool:
        """Work until no trial is left or a stop was requested; whether it came to its end."""
        while True:
            self._collect()
            self._read_reports()
            self._end_in_time()
            if not self._stop_requests:
                self._fill_slots()
            if not self._running:
                break
            self._show()
            time.sleep(self._poll_seconds)
        self._show(final=True)
        self._clock.save(self._clock.seconds())
        self._run.log_event("stopped" if self._stop_requests else "finished")
        return not self._stop_requests

    def _fill_slots(self) -> None:
        while self._free and self._seconds_left() > 0:
            record = self._next()
            if record is None:
                return
            self._start(record)

    def _next(self) -> TrialRecord | None:
        """Choose a trial that waits, first those that were interrupted, else draw a new one."""
        if self._waiting:
            return self._waiting.pop(0)
        if self._exhausted or len(self.records) >= self._plan.max_trials:
            return None
        last_draw = self.records[-1].stated["point"]["draw"] if self.records else -1
        seen = [record.observation() for record in self.records]
        proposal = self._propose(last_draw, seen, self._known)
        if proposal is None:
            self._exhausted = True
            self._say(f"the search space is exhausted after {len(self.records)} trials")
            return None
        return self._make(proposal)

    def _make(self, proposal: Proposal) -> TrialRecord:
        stated = {
            **self._plan.facts,
            "parameters": proposal.parameters,
            "point": proposal.to_json(),
        }
        trial = self._run.new_trial(stated, number=len(self.records))
        record = TrialRecord(trial, self._plan.metric, stated)
        self.records.append(record)
        self._known.add(identity(proposal.point.values))
        return record

    def _start(self, record: TrialRecord) -> None:
        slot = self._free.pop(0)
        record.trial.write_status("starting")  # what an earlier attempt left must not be judged
        kills = self._count_kills()
        handle = self._launcher.start(record.trial.path, slot, seconds=self._seconds_left())
        record.is_running, record.asked = True, ""
        self._running.append(_Running(record, handle, slot, kills))
        self._run.log_event("started", trial=record.name, slot=slot.index)
        self._say(f"trial {record.name} started: {record.parameters['model_name']}")

    def _collect(self) -> None:
        """Take note of processes that have ended."""
        still_running = []
        for running in self._running:
            code = running.handle.exit_code()
            if code is None:
                still_running.append(running)
            else:
                self._free.append(running.slot)
                self._free.sort(key=lambda slot: slot.index)
                self._ended(running, code)
        self._running = still_running

    def _ended(self, running: _Running, code: int) -> None:
        record = running.record
        record.is_running = False
        record.refresh()
        verdict = judge(
            record.trial.status(),
            code,
            asked=record.asked,
            restarts=record.restarts,
            kernel_killed=self._count_kills() > running.kills_before,
            batch_size=record.parameters["training_batch_size"],
            last_words=record.last_words(),
        )
        self._follow(record, verdict)

    def _follow(self, record: TrialRecord, verdict: Verdict) -> None:
        if verdict.outcome is not None:
            record.end(verdict.outcome, verdict.reason or record.reason)
            facts = {"outcome": record.outcome, "value": record.value, "reason": record.reason}
            self._run.log_event("ended", trial=record.name, **facts)
            self._say(_ending(record))
        elif verdict.next == "smaller":
            self._make_smaller(record, verdict.reason)
        elif verdict.next == "restart":
            facts = {"evaluations": len(record.reports), "reason": verdict.reason}
            record.count_restart(len(record.reports))
            self._run.log_event("restarted", trial=record.name, **facts)
            self._say(f"trial {record.name} starts again: {verdict.reason}")
            self._waiting.insert(0, record)

    def _make_smaller(self, record: TrialRecord, reason: str) -> None:
        record.stated = make_smaller(
            self._run, record.trial, record.stated, images=self._plan.images, reason=reason
        )
        self._say(told(record.trial, record.stated))
        self._waiting.insert(0, record)

    def _read_reports(self) -> None:
        """Read new reports and hold each against the policy, in the order of the trials."""
        for running in self._running:
            record, known = running.record, len(running.record.reports)
            if record.refresh() and not record.asked:
                for k in range(known + 1, len(record.reports) + 1):
                    self._apply_policy(running, k)

    def _apply_policy(self, running: _Running, k: int) -> None:
        record = running.record
        table = {other.name: other.reports for other in self.records}
        over = {other.name for other in self.records if other.outcome is not None}
        reason = reason_to_stop(self._plan.policy, table, record.name, k, finished=over)
        if reason and not record.asked:
            record.reason = f"at evaluation {k}: {reason}"
            self._run.log_event("terminating", trial=record.name, k=k, reason=record.reason)
            self._ask(running, "policy")

    def _end_in_time(self) -> None:
        """Pass on a request to stop, end what is late, and kill what does not end when asked."""
        late = -self._seconds_left()
        for running in self._running:
            if self._stop_requests and running.record.asked != "user":
                self._ask(running, "user")
            elif late > 0 and not running.record.asked:
                running.record.asked = "timeout"  # it knows itself, and exports its best epoch
            if late > TIMEOUT_GRACE_SECONDS and running.kill_at is None:
                self._ask(running, "timeout")
            kill = running.kill_at is not None and time.monotonic() > running.kill_at
            if kill or self._stop_requests > 1:
                running.handle.kill()

    def _ask(self, running: _Running, asked: Asked) -> None:
        """Ask a trial to stop; why it was asked first stays."""
        running.record.asked = running.record.asked or asked
        if running.kill_at is None:
            running.kill_at = time.monotonic() + GRACE_SECONDS
            running.handle.stop()

    def _seconds_left(self) -> float:
        return self._plan.seconds - self._clock.seconds()

    def _show(self, *, final: bool = False) -> None:
        self._watcher.update(self.records, self._clock.seconds())
        if final or time.monotonic() - self._written_at > _WRITE_SECONDS:
            write_leaderboard(self._run, self.records)
            self._written_at = time.monotonic()

    def _say(self, text: str) -> None:
        self._watcher.event(text)


def _ending(record: TrialRecord) -> str:
    value = "" if record.value is None else f", {record.metric} {record.value:.4f}"
    reason = f" ({record.reason})" if record.reason else ""
    return f"trial {record.name} {record.outcome}{value}{reason}"
