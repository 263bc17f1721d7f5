//! The colours of the view: few, of the terminal's own sixteen, and none as a background, so that they can be read on
//! dark and on light. What a colour says is said by a word as well.

use ratatui::style::{Color, Modifier, Style};
use standfast_model::State;
use standfast_page::judgement::Verdict;

/// Whether there are colours. `NO_COLOR` asks for none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Theme {
    colour: bool,
}

impl Theme {
    /// With or without colours.
    #[must_use]
    pub const fn of(colour: bool) -> Self {
        Self { colour }
    }

    // Bold makes some terminals take the bright colour, which is too pale on white: a colour is never bold here.
    fn in_colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn good(self) -> Style {
        self.in_colour(Color::Green)
    }

    /// Yellow is invisible on white.
    pub(super) fn doubtful(self) -> Style {
        self.in_colour(Color::Magenta)
    }

    pub(super) fn bad(self) -> Style {
        self.in_colour(Color::Red)
    }

    pub(super) const fn plain() -> Style {
        Style::new()
    }

    pub(super) const fn strong() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) const fn chosen() -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    pub(super) fn state(self, state: State) -> Style {
        match state {
            State::Master => self.good(),
            State::Backup => Self::plain(),
            State::Fault => self.bad(),
            State::Init | State::Stop => self.doubtful(),
        }
    }

    pub(super) fn verdict(self, verdict: Verdict) -> Style {
        let style = match verdict {
            Verdict::Ok => self.good(),
            Verdict::Warning => self.doubtful(),
            Verdict::Critical => self.bad(),
        };
        style.add_modifier(Modifier::REVERSED)
    }

    pub(super) fn severity(self, severity: u8) -> Style {
        match severity {
            0..=3 => self.bad(),
            4 => self.doubtful(),
            _ => Self::plain(),
        }
    }
}
