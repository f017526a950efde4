//! Python's lock, let go of.

use std::os::raw::c_void;

use crate::python::abi;

/// Does `work` while others may have Python's lock; it touches no object.
pub fn without_lock<T>(work: impl FnOnce() -> T) -> T {
    struct Lock(*mut c_void);
    impl Drop for Lock {
        fn drop(&mut self) {
            unsafe { abi::PyEval_RestoreThread(self.0) };
        }
    }
    let _lock = Lock(unsafe { abi::PyEval_SaveThread() });
    work()
}
