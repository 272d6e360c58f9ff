//! What must hold for any input of the loader. Shared by the property test, the stable runner and
//! the fuzz target.

use rackwright_engine::{Workflow, load};

/// Loads bytes and checks what holds for all inputs.
///
/// # Panics
/// If it does not hold.
pub(crate) fn exercise(bytes: &[u8]) {
    match load::load_bytes("input.yaml", bytes) {
        Ok(loaded) => {
            let canonical = loaded.workflow.canonical();
            let stored: Result<Workflow, _> = serde_json::from_slice(&canonical);
            match stored {
                Ok(stored) => assert_eq!(stored, loaded.workflow, "the canonical form differs"),
                Err(error) => panic!("the canonical form can't be read: {error}"),
            }
        }
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for (source, problem) in problems.iter() {
                let text = source.text();
                assert!(problem.span.start <= problem.span.end, "{problem:?}");
                assert!(problem.span.start <= text.len(), "{problem:?}");
                assert!(!problem.message.is_empty(), "{problem:?}");
            }
            let plain = problems.to_string();
            assert!(plain.contains("error["), "{plain}");
            assert!(!problems.coloured().is_empty());
            assert_eq!(problems.to_json().as_array().map(Vec::len), Some(problems.len()));
        }
    }
}
