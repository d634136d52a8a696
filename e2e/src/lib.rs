//! The testbed: a real control plane, the stock tools, oracles, benchmarks and repository rules.
