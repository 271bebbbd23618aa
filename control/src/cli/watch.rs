//! Follows a deployment to its end.
//!
//! Only looks: ending the watch, or losing the service for a while, does nothing to the deployment.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use super::Session;
use super::error::Error;
use crate::client::types::Deployment;
use crate::client::{Client, Reply};

/// Time to the second look: a small deployment is done by then.
const POLL_FIRST: Duration = Duration::from_millis(50);
/// Time between two looks, after a few that came quicker.
const POLL: Duration = Duration::from_millis(500);
/// Time between two lines where no bar can be drawn.
const LINE_PERIOD: Duration = Duration::from_secs(2);
/// How long the service may be away before the watch gives up: time for a restart.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// Looks at the deployment until it is finished; shows how far it is on standard error.
///
/// Cancel safe: nothing but the display is lost.
pub(super) async fn follow(
    client: &Client,
    id: &str,
    session: &mut Session<'_>,
) -> Result<Reply<Deployment>, Error> {
    let interrupted = tokio::signal::ctrl_c();
    let mut display = Display::of(session);
    let outcome = tokio::select! {
        outcome = until_finished(client, id, &mut display, session) => outcome,
        _ = interrupted => Err(Error::Interrupted { id: id.to_owned() }),
    };
    display.clear();
    outcome
}

async fn until_finished(
    client: &Client,
    id: &str,
    display: &mut Display,
    session: &mut Session<'_>,
) -> Result<Reply<Deployment>, Error> {
    let mut wait = POLL_FIRST;
    let mut first = None;
    let mut away_since = None;
    loop {
        match client.deployment_progress(id).await {
            Ok(reply) if reply.value.is_finished() => {
                return Ok(client.deployment_fetch(id).await?);
            }
            Ok(reply) => {
                away_since = None;
                let now = Instant::now();
                let (start, start_done) = *first.get_or_insert((now, reply.value.done()));
                let pace = Pace::of(&reply.value, start_done, now.duration_since(start));
                display.show(&reply.value, &pace, session)?;
            }
            Err(error) if error.is_away() => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if first.is_none() || since.elapsed() > AWAY_MAX {
                    return Err(error.into());
                }
                display.say("the service does not answer; looking again", session)?;
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(wait).await;
        wait = POLL.min(wait * 2);
    }
}

/// How fast it goes, as far as this watch has seen it.
#[derive(Debug, PartialEq)]
struct Pace {
    /// Tenants a second; `None` until one was seen to be done.
    per_second: Option<f64>,
    /// Time to the end at this rate.
    remaining: Option<Duration>,
}

// === impl Pace ===

impl Pace {
    fn of(deployment: &Deployment, start_done: u64, elapsed: Duration) -> Self {
        let counted = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let seen = deployment.done().saturating_sub(start_done);
        if seen == 0 || elapsed.is_zero() {
            return Self {
                per_second: None,
                remaining: None,
            };
        }
        let per_second = counted(seen) / elapsed.as_secs_f64();
        let left = deployment.total.saturating_sub(deployment.done());
        let remaining = Duration::try_from_secs_f64(counted(left) / per_second).ok();
        Self {
            per_second: Some(per_second),
            remaining,
        }
    }

    /// `3 failed, 12.5/s, 40s left`
    fn text(&self, failed: u64) -> String {
        let mut parts = vec![format!("{failed} failed")];
        parts.extend(self.per_second.map(|rate| format!("{rate:.1}/s")));
        parts.extend(self.remaining.map(|time| format!("{} left", clock(time))));
        parts.join(", ")
    }
}

/// `40s`, `3m20s`, `2h05m`
fn clock(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// Where progress is shown: a bar on a terminal, now and then a line elsewhere.
enum Display {
    Bar(ProgressBar),
    Lines { last: Option<(Instant, String)> },
    Nothing,
}

// === impl Display ===

impl Display {
    fn of(session: &Session<'_>) -> Self {
        if session.mode != super::Mode::Text {
            return Self::Nothing;
        }
        if !session.environment.stderr_is_terminal {
            return Self::Lines { last: None };
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // The template is a constant; a mistake in it would show as a plainer bar.
        let template = "{bar:40} {pos}/{len}  {msg}";
        let style = ProgressStyle::with_template(template);
        Self::Bar(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    fn show(
        &mut self,
        deployment: &Deployment,
        pace: &Pace,
        session: &mut Session<'_>,
    ) -> Result<(), Error> {
        let text = pace.text(deployment.failed);
        if let Self::Bar(bar) = self {
            bar.set_length(deployment.total);
            bar.set_position(deployment.done());
            bar.set_message(text);
            return Ok(());
        }
        self.say(
            &format!("{}/{} done, {text}", deployment.done(), deployment.total),
            session,
        )
    }

    fn say(&mut self, text: &str, session: &mut Session<'_>) -> Result<(), Error> {
        match self {
            Self::Bar(bar) => bar.set_message(text.to_owned()),
            Self::Lines { last } => {
                let due = match last {
                    Some((at, said)) => said != text && at.elapsed() >= LINE_PERIOD,
                    None => true,
                };
                if due {
                    *last = Some((Instant::now(), text.to_owned()));
                    session.warn(text)?;
                }
            }
            Self::Nothing => {}
        }
        Ok(())
    }

    fn clear(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(total: u64, completed: u64, failed: u64) -> Deployment {
        Deployment {
            total,
            completed,
            failed,
            ..Default::default()
        }
    }

    #[test]
    fn pace_counts_only_what_this_watch_saw() {
        let pace = Pace::of(&deployment(200, 117, 3), 100, Duration::from_secs(10));
        assert_eq!(pace.text(3), "3 failed, 2.0/s, 40s left");
    }

    #[test]
    fn there_is_no_pace_before_the_first_tenant_is_done() {
        let pace = Pace::of(&deployment(200, 100, 0), 100, Duration::from_secs(10));
        assert_eq!(pace.text(0), "0 failed");
        let pace = Pace::of(&deployment(200, 101, 0), 100, Duration::ZERO);
        assert_eq!(pace.text(0), "0 failed");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(clock(Duration::from_secs(59)), "59s");
        assert_eq!(clock(Duration::from_secs(200)), "3m20s");
        assert_eq!(clock(Duration::from_secs(7_500)), "2h05m");
    }
}
