#!/bin/bash
# Every write that fails, and of allocations every eleventh, libhdf5's every 97th: tests/cli/injected_failures.sh with more
# points. OWN=1 HDF5=1 tries all, which takes hours.
WRITES=${WRITES:-1} OWN=${OWN:-11} HDF5=${HDF5:-97} exec bash "$(dirname "$0")/../cli/injected_failures.sh"
