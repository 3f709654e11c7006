//! The kinds of problems of commands, each with a code that stays the same between versions.
//!
//! Findings about a plan have codes of their own ([`crate::diag::Code`]).

/// Declares the table: a variant, its code, and what it means.
macro_rules! codes {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What kind of problem it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(in crate::cli) enum Code {
            $($(#[$doc])* $kind,)*
        }

        impl Code {
            /// Every kind. Only for tests, so that the compiler reports a kind that nothing makes.
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Its name: lower case with hyphens.
            #[must_use]
            pub(in crate::cli) const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

codes! {
    /// Too few people have approved the artifact, or nobody has said who may.
    ApprovalMissing = "approval-missing",
    /// The artifact's contents contradict each other.
    ArtifactEdited = "artifact-edited",
    /// The file is not an artifact that this version reads.
    ArtifactUnusable = "artifact-unusable",
    /// A backup is not as it was made.
    BackupDamaged = "backup-damaged",
    /// Something is broken before the plan begins, and the plan does not accept it.
    BrokenBefore = "broken-before",
    /// RRsets below a delegation were left out.
    DelegatedSkipped = "delegated-skipped",
    /// The artifact is not the one that was reviewed.
    DigestMismatch = "digest-mismatch",
    /// Nothing could be seen of any of the domains.
    DomainsUnseen = "domains-unseen",
    /// A gate asks what nobody can answer.
    GateImpossible = "gate-impossible",
    /// The store has other runs than what is imported.
    ImportConflict = "import-conflict",
    /// What is imported is not a whole export.
    ImportUnusable = "import-unusable",
    /// An input file cannot be read.
    InputUnreadable = "input-unreadable",
    /// A bug in this program: an event that cannot follow.
    Internal = "internal",
    /// Another process has written to the journal.
    JournalConflict = "journal-conflict",
    /// The last line of a journal was incomplete.
    JournalCut = "journal-cut",
    /// A journal cannot be read.
    JournalUnusable = "journal-unusable",
    /// A journal cannot be written.
    JournalUnwritable = "journal-unwritable",
    /// A key cannot be used to sign.
    KeyUnusable = "key-unusable",
    /// Another process has taken the lease of a plan.
    LeaseLost = "lease-lost",
    /// The ledger of a copy cannot be used.
    LedgerUnusable = "ledger-unusable",
    /// The work on a mailbox ended early, or is not complete.
    MailboxFailed = "mailbox-failed",
    /// The plan does not say how mailboxes are opened, or which move.
    MailboxesUnsaid = "mailboxes-unsaid",
    /// Messages of the old side were not found at the new side.
    MessagesMissing = "messages-missing",
    /// There is no run, or none that the command can be used on.
    NoRun = "no-run",
    /// There is no probe of this name.
    NoSuchProbe = "no-such-probe",
    /// There is no profile of this name.
    NoSuchProfile = "no-such-profile",
    /// Nobody was told of a rollback.
    NobodyTold = "nobody-told",
    /// The input is an artifact, and the command needs a plan.
    NotAPlan = "not-a-plan",
    /// The run does not wait for a confirmation of this step.
    NotConfirmable = "not-confirmable",
    /// A person has to confirm first.
    NotConfirmed = "not-confirmed",
    /// A notification target cannot be used.
    NotifyUnusable = "notify-unusable",
    /// octoDNS cannot hold a part of the zone as it is.
    OctodnsLossy = "octodns-lossy",
    /// Other runs exist that were not shown.
    OnlyNewest = "only-newest",
    /// Another artifact has an open run.
    OtherArtifact = "other-artifact",
    /// Output cannot be written.
    OutputFailed = "output-failed",
    /// The run that the artifact succeeds is not the newest any more.
    ParentGone = "parent-gone",
    /// The plan has changed since its open run began.
    PlanChanged = "plan-changed",
    /// The plan would do harm.
    PlanRefuted = "plan-refuted",
    /// The plan runs programs, and that is forbidden.
    ProgramsForbidden = "programs-forbidden",
    /// A provider did not do what it was asked.
    ProviderFailed = "provider-failed",
    /// A provider cannot be used as it is configured.
    ProviderUnusable = "provider-unusable",
    /// The list of recipients is wrong.
    RecipientsUnusable = "recipients-unusable",
    /// The resolver cannot be used.
    ResolverUnusable = "resolver-unusable",
    /// There is no way back to this point.
    RollbackImpossible = "rollback-impossible",
    /// Another process drives the run.
    RunLocked = "run-locked",
    /// Another process has moved the run on.
    RunMovedOn = "run-moved-on",
    /// The run was rolled back.
    RunRolledBack = "run-rolled-back",
    /// The run is rolling back.
    RunRollingBack = "run-rolling-back",
    /// An open run of another plan changes the same records, or what this plan relies on.
    RunsClash = "runs-clash",
    /// A secret cannot be read.
    SecretUnreadable = "secret-unreadable",
    /// A server does not answer.
    ServerSilent = "server-silent",
    /// No server of the zone is known.
    ServersUnknown = "servers-unknown",
    /// Two plans or artifacts belong to the same plan, or change the same zone.
    SharedByPlans = "shared-by-plans",
    /// The list of people who may approve, or the signatures, cannot be used.
    SignersUnusable = "signers-unusable",
    /// The address of a store cannot be used.
    StateAddress = "state-address",
    /// A signal stopped the process.
    Stopped = "stopped",
    /// The store of runs cannot be used.
    StoreUnusable = "store-unusable",
    /// The operating system refuses what every command needs.
    System = "system",
    /// The output cannot be made as short as it has to be.
    TooLong = "too-long",
    /// The plan has no provider of this name.
    UnknownProvider = "unknown-provider",
    /// There is no adapter of this type.
    UnknownProviderType = "unknown-provider-type",
    /// The plan asks for an approval of somebody whom the allowed signers do not have.
    UnknownSigner = "unknown-signer",
    /// There is no step of this name.
    UnknownStep = "unknown-step",
    /// The name is neither a file nor explained.
    UnknownSubject = "unknown-subject",
    /// The plan does not name this zone.
    UnknownZone = "unknown-zone",
    /// The command line is wrong.
    Usage = "usage",
    /// A provider says something about a zone that it holds.
    ZoneRemark = "zone-remark",
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn codes_are_unique_sorted_and_in_kebab_case() {
        let names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
        let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(is_plain)), "{names:?}");
    }
}
