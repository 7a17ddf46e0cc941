"""The memory hierarchy, modelled: caches, translation buffers and DRAM rows, and what computations ask of them.

simulate(addresses, [Cache(32768, 8), …])          what each level has and misses, of addresses or of a `Trace`
"""

from kernels.memory import counters as counters
from kernels.memory.bounds import lower_bound_bytes as lower_bound_bytes
from kernels.memory.closed_forms import GatheredColumns as GatheredColumns
from kernels.memory.closed_forms import GatheredRows as GatheredRows
from kernels.memory.closed_forms import Matrix as Matrix
from kernels.memory.closed_forms import NoClosedForm as NoClosedForm
from kernels.memory.closed_forms import Walk as Walk
from kernels.memory.closed_forms import closed_form as closed_form
from kernels.memory.dram import Dram as Dram
from kernels.memory.dram import RowBuffer as RowBuffer
from kernels.memory.dram import row_buffer as row_buffer
from kernels.memory.expansion import expanded as expanded
from kernels.memory.geometry import Cache as Cache
from kernels.memory.geometry import Undescribed as Undescribed
from kernels.memory.geometry import caches_here as caches_here
from kernels.memory.geometry import fully_associative as fully_associative
from kernels.memory.geometry import tlb as tlb
from kernels.memory.references import Gather as Gather
from kernels.memory.references import Loop as Loop
from kernels.memory.references import Reference as Reference
from kernels.memory.references import Trace as Trace
from kernels.memory.reuse import ReuseDistances as ReuseDistances
from kernels.memory.reuse import reuse_distance as reuse_distance
from kernels.memory.simulation import Level as Level
from kernels.memory.simulation import LongAgo as LongAgo
from kernels.memory.simulation import levels_and_memory as levels_and_memory
from kernels.memory.simulation import missed_by as missed_by
from kernels.memory.simulation import passed_on as passed_on
from kernels.memory.simulation import simulate as simulate
from kernels.memory.steady import Steady as Steady
from kernels.memory.steady import steady as steady
from kernels.memory.streams import Accesses as Accesses
from kernels.memory.trace import NoTrace as NoTrace
from kernels.memory.trace import Problem as Problem
from kernels.memory.trace import record as record
from kernels.memory.trace import trace as trace
