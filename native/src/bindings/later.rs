//! Calls that may wait for the kernel, on libuv's pool: JavaScript goes on meanwhile.

use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Task};

use super::guarded;
use super::wireguard::Answer;
use crate::error::{Error, Result};

type Body<T> = Box<dyn FnOnce() -> Result<T> + Send>;

/// One call, with its name for errors.
pub struct Later<T> {
    operation: &'static str,
    body: Option<Body<T>>,
}

pub fn later<T: Answer>(
    operation: &'static str,
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> AsyncTask<Later<T>> {
    AsyncTask::new(Later { operation, body: Some(Box::new(body)) })
}

impl<T: Answer> Task for Later<T> {
    type Output = T;
    type JsValue = T;

    fn compute(&mut self) -> napi::Result<T> {
        guarded(|| match self.body.take() {
            Some(body) => body(),
            None => Err(Error::new("INTERNAL", "run", self.operation, "the call ran twice")),
        })
    }

    fn resolve(&mut self, _env: Env, output: T) -> napi::Result<T> {
        Ok(output)
    }
}
