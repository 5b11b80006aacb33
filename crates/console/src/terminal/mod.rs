//! The terminal: what is typed goes to the model, what the model says is drawn, what it asks for is done.

mod kernel;
mod keys;
mod lines;
mod screen;
mod signals;
mod tty;
mod worker;

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use self::kernel::KernelMessages;
use self::keys::Decoder;
use self::lines::Lines;
use self::screen::Screen;
use self::signals::Signals;
use self::tty::Tty;
use self::worker::Worker;
use crate::effect::{Effect, Reply};
use crate::machine::{Machine, ThisMachine};
use crate::model::{Key, Model};
use crate::options::{Boot, Options};
use crate::perform::Performer;
use crate::text::Charset;

/// How often everything is looked at anew.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a lone escape may still become a sequence: three bytes at 300 baud.
const ESCAPE: Duration = Duration::from_millis(100);
/// The console runs at least so long, or init would start it thousands of times on a line that is gone.
const LEAST: Duration = Duration::from_secs(1);
/// Inputs kept while something is being done.
const MAX_AHEAD: usize = 4_096;
/// What is opened for an owner.
const SHELL: &str = "/bin/sh";

/// Runs the console until its terminal goes. That is no failure: init starts it anew.
pub fn run(options: &Options) -> ExitCode {
    let began = Instant::now();
    // Whatever keeps the terminal from being used has gone away when the next console starts, or never will.
    let _ = Console::open(options).and_then(|mut console| console.run());
    std::thread::sleep(LEAST.saturating_sub(began.elapsed()));
    ExitCode::SUCCESS
}

/// Something that was typed.
enum Input {
    Key(Key),
    Line(Result<String, lines::LineError>),
}

struct Console {
    options: Options,
    screen: Screen,
    signals: Signals,
    kernel: KernelMessages,
    worker: Worker,
    model: Model,
    decoder: Decoder,
    lines: Lines,
    /// What was typed and not yet looked at.
    ahead: VecDeque<Input>,
    /// Standard input has ended.
    closed: bool,
    /// Everything was looked at once: before, no page has anything to say.
    seen: bool,
    /// A look nobody asked for is under way.
    looking: bool,
    next_look: Instant,
    /// The setup code that was last announced.
    announced: Option<String>,
}

impl Console {
    fn open(options: &Options) -> io::Result<Self> {
        let signals = Signals::install()?;
        let machine = Machine::new(options, Box::new(ThisMachine));
        let performer = Performer::new(options.clone(), Boot::of_this_machine(), machine);
        let worker = Worker::start(performer)?;
        let charset = Charset::of_environment(|name| std::env::var(name).ok());
        Ok(Self {
            screen: Screen::open(Tty::open(), charset, options.plain)?,
            options: options.clone(),
            signals,
            kernel: KernelMessages::new(),
            worker,
            model: Model::default(),
            decoder: Decoder::default(),
            lines: Lines::default(),
            ahead: VecDeque::new(),
            closed: false,
            seen: false,
            looking: false,
            next_look: Instant::now(),
            announced: None,
        })
    }

    fn run(&mut self) -> io::Result<()> {
        self.look();
        if self.screen.is_full() {
            self.screen.show(&self.model)?;
        }
        loop {
            if self.wait()? {
                return Ok(());
            }
            self.take_replies()?;
            if self.seen {
                self.take_inputs()?;
            }
            if self.seen || self.screen.is_full() {
                self.screen.show(&self.model)?;
            }
            if self.closed && self.ahead.is_empty() && !self.model.is_working() && !self.looking {
                return Ok(());
            }
            if Instant::now() >= self.next_look && !self.looking && !self.model.is_working() {
                self.look();
            }
        }
    }

    /// Waits for whatever comes first. `true`: it is time to end.
    fn wait(&mut self) -> io::Result<bool> {
        let limit = if self.decoder.is_waiting() {
            ESCAPE
        } else if self.looking {
            LOOK_EVERY
        } else {
            self.next_look.saturating_duration_since(Instant::now())
        };
        let limit = self.kernel.until().map_or(limit, |until| until.min(limit));
        let stdin = io::stdin();
        let readable = {
            let mut waiting = vec![
                PollFd::new(&self.worker, PollFlags::IN),
                PollFd::new(&self.signals.interrupt, PollFlags::IN),
                PollFd::new(&self.signals.end, PollFlags::IN),
                PollFd::new(&self.signals.resize, PollFlags::IN),
            ];
            let takes_input = !self.closed && self.ahead.len() < MAX_AHEAD;
            if takes_input {
                waiting.push(PollFd::new(&stdin, PollFlags::IN));
            }
            if let Some(log) = self.kernel.waiting() {
                waiting.push(PollFd::from_borrowed_fd(log, PollFlags::IN));
            }
            let limit = Timespec::try_from(limit).unwrap_or(Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            });
            match poll(&mut waiting, Some(&limit)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            takes_input
                && waiting
                    .get(4)
                    .is_some_and(|input| !input.revents().is_empty())
        };
        if self.signals.end.rang() {
            return Ok(true);
        }
        self.screen.hold()?;
        if self.kernel.untidy() && self.screen.is_full() {
            self.screen.redraw()?;
        }
        if self.signals.resize.rang() {
            self.screen.resize(self.options.plain)?;
        }
        if self.signals.interrupt.rang() {
            self.interrupt();
        }
        if readable {
            self.read(stdin.as_fd())?;
        } else if self.decoder.is_waiting()
            && let Some(key) = self.decoder.settle()
        {
            self.ahead.push_back(Input::Key(key));
        }
        Ok(false)
    }

    fn read(&mut self, stdin: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
        let mut bytes = [0; 1_024];
        let length = match rustix::io::read(stdin, &mut bytes) {
            Ok(0) => {
                self.closed = true;
                if let Some(line) = self.lines.finish() {
                    self.ahead.push_back(Input::Line(line));
                }
                // Nothing typed on a screen can end it but the line itself.
                return match self.screen.is_full() {
                    true => Err(io::ErrorKind::UnexpectedEof.into()),
                    false => Ok(()),
                };
            }
            Ok(length) => length,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for byte in &bytes[..length] {
            if self.screen.is_full() {
                for key in self.decoder.byte(*byte) {
                    if key == Key::Interrupt {
                        self.ahead.clear();
                    }
                    self.ahead.push_back(Input::Key(key));
                }
            } else {
                self.ahead.extend(self.lines.byte(*byte).map(Input::Line));
            }
        }
        Ok(())
    }

    fn interrupt(&mut self) {
        self.ahead.clear();
        self.lines = Lines::default();
        self.model.interrupt();
        self.screen.forget();
    }

    fn look(&mut self) {
        self.looking = self.worker.order(Effect::Look);
        self.next_look = Instant::now() + LOOK_EVERY;
    }

    fn take_replies(&mut self) -> io::Result<()> {
        for reply in self.worker.replies() {
            match &reply {
                Reply::Seen(_) => {
                    self.seen = true;
                    self.looking = false;
                }
                Reply::ShellGranted => self.shell()?,
                _ => {}
            }
            self.model.reply(reply);
            let line = self.model.situation().setup_line();
            if line.is_some() && line != self.announced {
                self.screen.announce(line.as_deref().unwrap_or_default())?;
            }
            self.announced = line;
        }
        Ok(())
    }

    /// Hands typed input over until something is to be done.
    fn take_inputs(&mut self) -> io::Result<()> {
        while !self.model.is_working()
            && let Some(input) = self.ahead.pop_front()
        {
            if !self.screen.is_full() {
                // Lines typed ahead, or out of a pipe, each answer a page.
                self.screen.show(&self.model)?;
            }
            let effect = match input {
                Input::Key(key) => {
                    if key == Key::Redraw {
                        self.screen.redraw()?;
                    }
                    self.model.key(key)
                }
                Input::Line(Ok(line)) => {
                    self.screen.forget();
                    self.model.line(&line)
                }
                Input::Line(Err(error)) => {
                    self.screen.forget();
                    self.model.say(format!("{error}."));
                    None
                }
            };
            if effect.is_some_and(|effect| !self.worker.order(effect)) {
                self.closed = true;
                break;
            }
        }
        Ok(())
    }

    /// A shell on this terminal, until the person leaves it.
    fn shell(&mut self) -> io::Result<()> {
        self.ahead.clear();
        self.screen.end();
        let ended = Command::new(SHELL).arg("-l").current_dir("/").status();
        // Ctrl-C in the shell was not meant for the menu.
        self.signals.interrupt.rang();
        self.screen.begin()?;
        if let Err(error) = ended {
            self.model
                .say(format!("{SHELL} cannot be started: {error}."));
        }
        self.screen.resize(self.options.plain)
    }
}
