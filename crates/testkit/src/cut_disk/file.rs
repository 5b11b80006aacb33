//! One file: what is certainly on the disk, and what may be.

use fastrand::Rng;

use super::content::{BLOCK, Content};

/// What a drive writes at once.
pub const SECTOR: usize = 512;

/// What waits for a sync.
#[derive(Debug, Clone)]
enum Waiting {
    Write { offset: usize, data: Vec<u8> },
    Length(usize),
}

/// A file of the disk.
#[derive(Debug)]
pub(super) struct File {
    /// As of the last sync.
    safe: Content,
    /// As programs see it.
    newest: Content,
    /// What happened since the last sync, and when.
    waiting: Vec<(usize, Waiting)>,
    /// When its length or places last changed; what a sync of it must commit.
    pub(super) measured: usize,
    /// When its name or rights last changed.
    pub(super) named: usize,
}

impl File {
    /// A file that came to be with this in it.
    pub(super) fn new(content: Content, now: usize) -> Self {
        Self {
            safe: content.clone(),
            newest: content,
            waiting: Vec::new(),
            measured: now,
            named: now,
        }
    }

    pub(super) fn write(&mut self, now: usize, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        let mut blocks = offset / BLOCK..end.div_ceil(BLOCK);
        if end > self.newest.len() || blocks.any(|block| !self.newest.has_place(block)) {
            self.measured = now;
        }
        self.newest.write(offset, data);
        let data = data.to_vec();
        self.waiting.push((now, Waiting::Write { offset, data }));
    }

    pub(super) fn set_len(&mut self, now: usize, length: usize) {
        self.measured = now;
        self.newest.set_len(length);
        self.waiting.push((now, Waiting::Length(length)));
    }

    pub(super) fn newest(&self) -> Content {
        self.newest.clone()
    }

    pub(super) fn sync(&mut self) {
        for (_, change) in self.waiting.drain(..) {
            match change {
                Waiting::Write { offset, data } => self.safe.write(offset, &data),
                Waiting::Length(length) => self.safe.set_len(length),
            }
        }
    }

    /// What may be left when the journal was kept up to and including the event `journal`.
    pub(super) fn cut(&self, journal: usize, random: &mut Rng) -> Content {
        if self.waiting.is_empty() {
            return self.safe.clone();
        }
        let mut left = Left {
            content: self.safe.clone(),
            cut_at: usize::MAX,
            mood: Mood::choose(random),
        };
        // As programs saw it at each event: a sector goes to the drive with all that was in it at that time.
        let mut seen = self.safe.clone();
        for (at, change) in &self.waiting {
            let is_journalled = *at <= journal;
            match change {
                Waiting::Write { offset, data } => {
                    seen.write(*offset, data);
                    left.write(&seen, *offset, offset + data.len(), is_journalled, random);
                }
                Waiting::Length(length) => {
                    seen.set_len(*length);
                    left.set_len(*length, is_journalled);
                }
            }
        }
        left.content
    }
}

/// What is left of a file.
struct Left {
    content: Content,
    /// Above this the file was cut, though the journal does not know it: what was written there later went to blocks
    /// that the file never got.
    cut_at: usize,
    mood: Mood,
}

impl Left {
    fn set_len(&mut self, length: usize, is_journalled: bool) {
        if is_journalled {
            self.content.set_len(length);
        } else {
            self.cut_at = self.cut_at.min(length);
        }
    }

    fn write(
        &mut self,
        seen: &Content,
        begin: usize,
        end: usize,
        is_journalled: bool,
        random: &mut Rng,
    ) {
        let whole = self.mood.decide(Unit::Write, random);
        for block in begin / BLOCK..end.div_ceil(BLOCK) {
            let kept =
                whole.unwrap_or_else(|| self.mood.decide(Unit::Block, random).unwrap_or(true));
            let begin = begin.max(block * BLOCK);
            let end = end.min((block + 1) * BLOCK);
            if self.content.has_place(block) {
                self.overwrite(seen, begin, end, is_journalled, kept, random);
            } else if is_journalled {
                self.append(seen, block, end, kept, random);
            }
        }
    }

    /// Into a block that is on the disk, sector by sector.
    fn overwrite(
        &mut self,
        seen: &Content,
        begin: usize,
        end: usize,
        is_journalled: bool,
        kept: bool,
        random: &mut Rng,
    ) {
        if is_journalled && (kept || random.u8(..4) == 0) {
            // The length is journalled, the data is not.
            self.content.grow(end);
        }
        for sector in begin / SECTOR..end.div_ceil(SECTOR) {
            let begin = sector * SECTOR;
            if !is_journalled && begin + SECTOR > self.cut_at {
                return;
            }
            let kept = match self.mood.unit {
                Unit::Sector => self.mood.decide(Unit::Sector, random).unwrap_or(kept),
                Unit::Write | Unit::Block => kept,
            };
            if kept {
                self.content.take_over(seen, begin, begin + SECTOR);
            }
        }
    }

    /// Into a new block, as a whole. One that got its place and not yet its data reads as zeros.
    fn append(&mut self, seen: &Content, block: usize, end: usize, kept: bool, random: &mut Rng) {
        if kept {
            self.content.grow(end);
            self.content.place(block);
            self.content
                .take_over(seen, block * BLOCK, (block + 1) * BLOCK);
        } else if random.u8(..4) == 0 {
            self.content.grow(end);
        }
    }
}

/// What survives or not as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Write,
    Block,
    Sector,
}

/// How much of a file survives. Sectors that are lost or kept each by itself would leave hardly a write whole, and
/// what is worst is one loss among much that was kept, or the reverse.
struct Mood {
    unit: Unit,
    kept: f64,
}

impl Mood {
    fn choose(random: &mut Rng) -> Self {
        const UNITS: [Unit; 3] = [Unit::Write, Unit::Block, Unit::Sector];
        const KEPT: [f64; 7] = [0.0, 0.05, 0.3, 0.5, 0.7, 0.95, 1.0];
        Self {
            unit: UNITS[random.usize(..UNITS.len())],
            kept: KEPT[random.usize(..KEPT.len())],
        }
    }

    /// Whether a unit survives; `None` when that is decided for smaller ones.
    fn decide(&self, unit: Unit, random: &mut Rng) -> Option<bool> {
        (self.unit == unit).then(|| random.f64() < self.kept)
    }
}
