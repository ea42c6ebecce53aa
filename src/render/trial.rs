//! A template of the user's own, to be rendered once beforehand where it may take
//! no more than it needs: Tera bounds neither time nor memory.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::TemplateContext;
use super::templates;
use crate::plan::Plan;
use crate::quantity::ByteSize;

/// Most bytes that a template may make. Each object is at most 1.5 MiB.
pub const MOST_MADE: ByteSize = ByteSize(8 << 20);

/// What is rendered beforehand.
#[derive(Serialize, Deserialize)]
pub struct Trial {
    /// Name of the template.
    pub file: String,
    text: String,
    context: Value,
}

impl Trial {
    /// Takes what a plan is rendered with; `None` if that is a built-in template.
    pub fn for_plan(plan: &Plan) -> Option<Self> {
        let custom = plan.request.template.as_ref()?;
        let parts = plan.request.upload.parts();
        let context = TemplateContext::new(plan, &parts, None);
        Some(Self {
            file: custom.file.display().to_string(),
            text: custom.text.clone(),
            // Plain data always serialises.
            context: serde_json::to_value(context).unwrap_or_default(),
        })
    }

    /// Renders, and returns whether that ends within [`MOST_MADE`]; also if it ends
    /// with an error.
    pub fn is_bounded(&self) -> bool {
        templates::is_bounded(&self.file, &self.text, &self.context, MOST_MADE)
    }
}
