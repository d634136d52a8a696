//! How Go prints things in error messages.

use gotmpl::Value;

/// The name of a value's type in the text of a failed type assertion.
pub(crate) fn type_name(value: &Value) -> String {
    if value.is_nil() {
        "nil".to_owned()
    } else {
        value.type_name()
    }
}
