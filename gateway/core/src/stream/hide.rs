//! Hides the usage chunk that we asked for from an agent that did not.

use crate::stream::Step;
use crate::wire::Broken;
use crate::wire::chat::reply::is_usage_only;
use crate::wire::event::Frame;

#[derive(Debug)]
pub struct HideUsage;

impl Step for HideUsage {
    fn push(&mut self, frame: Frame, out: &mut Vec<Frame>) -> Result<(), Broken> {
        if !is_usage_only(&frame) {
            out.push(frame);
        }
        Ok(())
    }
}
