//! The stock Flux kinds as types, with their labels, annotations, reasons and identifiers.
