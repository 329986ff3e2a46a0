"""`python -m nodegraph` is the command `nodegraph`."""

import sys

from nodegraph.cli import main
from nodegraph.models.char_rnn.launch import launched, leave

status = main()
if launched():
    leave(status)
sys.exit(status)
