"""What holds for all tests."""

import os

from hypothesis import settings

# how long one example takes depends on the machine; with CI set, examples are the same in every run
settings.register_profile("latih", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("latih")
