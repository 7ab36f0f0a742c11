"""A bounded queue in front of one model; the rules are pure data structures, one thread each."""

from inference.batching.backlog import Load
from inference.batching.batcher import MicroBatcher
from inference.batching.budget import ByteBudget
from inference.batching.costs import Costs
from inference.batching.tickets import Priority, Ticket

__all__ = ["ByteBudget", "Costs", "Load", "MicroBatcher", "Priority", "Ticket"]
