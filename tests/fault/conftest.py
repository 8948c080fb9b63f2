"""Nothing may survive a test of this folder."""

from tests.fault.splices import watched  # noqa: F401  # the same
from tests.harness.leftovers import nothing_is_left_over  # noqa: F401  # a fixture for every test here
