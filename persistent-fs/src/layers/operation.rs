//! The names of what a backend can be asked.

use std::fmt;

/// One of the operations of a [`Backend`](crate::Backend), and of what it hands out.
///
/// Plans of a [`Faulty`](super::Faulty) name calls by it, and it is the label `operation` of metrics and spans. There
/// is none for [`capabilities`](crate::Backend::capabilities), which is no call: it neither waits nor fails. What a
/// read and a listing hand out belongs to the operation that began it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// [`Backend::head`](crate::Backend::head).
    Head,
    /// [`Backend::read`](crate::Backend::read).
    Read,
    /// [`Backend::writer`](crate::Backend::writer).
    Writer,
    /// [`Upload::write`](crate::Upload::write).
    Write,
    /// [`Upload::finish`](crate::Upload::finish).
    Finish,
    /// [`Upload::abort`](crate::Upload::abort).
    Abort,
    /// [`Backend::delete`](crate::Backend::delete).
    Delete,
    /// [`Backend::list`](crate::Backend::list).
    List,
    /// [`Backend::put`](crate::Backend::put).
    Put,
    /// [`Backend::ingest`](crate::Backend::ingest).
    Ingest,
    /// [`Backend::copy`](crate::Backend::copy).
    Copy,
    /// [`Backend::delete_prefix`](crate::Backend::delete_prefix).
    DeletePrefix,
    /// [`Backend::link`](crate::Backend::link).
    Link,
    /// [`Backend::sweep`](crate::Backend::sweep).
    Sweep,
}

impl Operation {
    pub(super) const COUNT: usize = Self::Sweep as usize + 1;

    /// The method's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Read => "read",
            Self::Writer => "writer",
            Self::Write => "write",
            Self::Finish => "finish",
            Self::Abort => "abort",
            Self::Delete => "delete",
            Self::List => "list",
            Self::Put => "put",
            Self::Ingest => "ingest",
            Self::Copy => "copy",
            Self::DeletePrefix => "delete_prefix",
            Self::Link => "link",
            Self::Sweep => "sweep",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
