//! Cutting the work of a [`super::super::MySql`] off at a chosen place, as a crash does.

use std::sync::Mutex;

use tokio::sync::Notify;

/// Where the next piece of work ends.
#[derive(Default)]
pub(crate) struct Cut {
    /// Places to pass before; `None`: work is not cut.
    left: Mutex<Option<u32>>,
    reached: Notify,
}

impl Cut {
    /// Work stops for ever at the place after `passed` others. Who waits for
    /// [`Self::reached`] drops it then.
    pub(crate) fn after(&self, passed: Option<u32>) {
        *self.left.lock().unwrap() = passed;
    }

    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    pub(crate) async fn here(&self) {
        let stop = {
            let mut left = self.left.lock().unwrap();
            match *left {
                Some(0) => {
                    *left = None;
                    true
                }
                Some(n) => {
                    *left = Some(n - 1);
                    false
                }
                None => false,
            }
        };
        if stop {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }
}
