//! The Sprig and Helm template function library.
