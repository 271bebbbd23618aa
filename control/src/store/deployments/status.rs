//! Where deployments and their targets are, as the store and answers name it.

/// Where a deployment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeploymentStatus {
    /// Waits for an earlier one of its blueprint.
    Pending,
    /// Is worked on.
    Running,
    /// Every target has the version.
    Completed,
    /// It is over, and some target does not have the version.
    Failed,
}

/// What became of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetStatus {
    /// Nothing yet.
    Pending,
    /// Is worked on.
    Running,
    /// Has the version now.
    Completed,
    /// Does not have it; what it has is whole.
    Failed,
    /// Had it before, or is not there any more.
    Skipped,
    /// Does not have it, and what it has cannot be told or is not what control left there: nothing
    /// is run in it until a person has looked. Counted with the failed.
    NeedsAttention,
}

// === impl DeploymentStatus ===

impl DeploymentStatus {
    /// The name in the store and in answers.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl std::str::FromStr for DeploymentStatus {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Pending, Self::Running, Self::Completed, Self::Failed]
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or(())
    }
}

// === impl TargetStatus ===

impl TargetStatus {
    /// The name in the store, where a column beside it tells those that need attention apart.
    pub(crate) const fn stored(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed | Self::NeedsAttention => "failed",
            Self::Skipped => "skipped",
        }
    }
}

impl std::str::FromStr for TargetStatus {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [
            Self::Pending,
            Self::Running,
            Self::Completed,
            Self::Failed,
            Self::Skipped,
        ]
        .into_iter()
        .find(|status| status.stored() == name)
        .ok_or(())
    }
}
