//! The commands of servers 6.0 to 8.0, and those of before that clients still send.
//!
//! <https://www.mongodb.com/docs/manual/reference/command/>. Servers take names as they are
//! written, apart from the few that have two.

use super::{Kept, Local, Reason};

/// What becomes of a command in its own database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It is answered here.
    Local(Local),
    /// It is refused in any database.
    Refuse(Reason),
    /// It reads, and has no pipeline.
    Read,
    /// It reads, or writes what its last stage says.
    Aggregate,
    /// It says how another would run.
    Explain,
    /// It writes to one collection.
    Write,
    /// It writes to several.
    BulkWrite,
    /// It changes collections, views or indexes.
    Structural,
    /// It ends or goes on with what the server keeps.
    Keeps(Kept),
    /// It says how much of this database is noted, or sets it, with limits of the whole server.
    SetsProfile,
    /// Anything else, known or not.
    Other,
}

impl Course {
    /// Whether it changes nothing in the collection that it names.
    pub(super) const fn reads(self) -> bool {
        matches!(
            self,
            Self::Read | Self::Aggregate | Self::Explain | Self::Keeps(_)
        )
    }
}

/// Commands that may be sent to `admin`, where drivers and shells send them.
pub(super) fn is_for_admin(name: &str) -> bool {
    matches!(
        name,
        "abortTransaction"
            | "bulkWrite"
            | "commitTransaction"
            | "connectionStatus"
            | "endSessions"
            | "listCommands"
            | "refreshSessions"
            | "renameCollection"
            | "startSession"
    )
}

/// Commands that servers explain.
pub(super) fn is_explained(name: &str) -> bool {
    matches!(
        name,
        "aggregate"
            | "count"
            | "delete"
            | "distinct"
            | "find"
            | "findAndModify"
            | "findandmodify"
            | "mapReduce"
            | "mapreduce"
            | "update"
    )
}

/// What becomes of the command of this name.
pub(super) fn course(name: &str) -> Course {
    match name {
        "hello" | "isMaster" | "ismaster" => Course::Local(Local::Hello),
        "ping" => Course::Local(Local::Ping),
        "buildInfo" | "buildinfo" => Course::Local(Local::BuildInfo),
        "listDatabases" => Course::Local(Local::ListDatabases),
        "whatsmyuri" => Course::Local(Local::WhatsMyUri),

        "collStats" | "collstats" | "count" | "dbHash" | "dbStats" | "dbstats" | "distinct"
        | "find" | "listCollections" | "listIndexes" => Course::Read,
        "aggregate" => Course::Aggregate,
        "explain" => Course::Explain,
        "delete" | "findAndModify" | "findandmodify" | "insert" | "update" => Course::Write,
        "bulkWrite" => Course::BulkWrite,

        "cloneCollectionAsCapped"
        | "collMod"
        | "convertToCapped"
        | "create"
        | "createIndexes"
        | "createSearchIndexes"
        | "deleteIndexes"
        | "drop"
        | "dropDatabase"
        | "dropIndexes"
        | "dropSearchIndex"
        | "renameCollection"
        | "updateSearchIndex" => Course::Structural,

        "getMore" => Course::Keeps(Kept::GetMore),
        "killCursors" => Course::Keeps(Kept::KillCursors),
        "commitTransaction" => Course::Keeps(Kept::Commit),
        "abortTransaction" => Course::Keeps(Kept::Abort),
        "endSessions" => Course::Keeps(Kept::EndSessions),
        "profile" => Course::SetsProfile,

        "authenticate" | "copydbgetnonce" | "copydbsaslstart" | "getnonce" | "logout"
        | "saslContinue" | "saslStart" => Course::Refuse(Reason::Login),
        "killAllSessions" | "killAllSessionsByPattern" | "killSessions" => {
            Course::Refuse(Reason::Sessions)
        }
        // Shells ask which kind of server it is.
        "atlasVersion" | "isdbgrid" => Course::Refuse(Reason::Unknown),
        _ if is_of_users(name) => Course::Refuse(Reason::Users),
        _ if is_of_server(name) || is_of_cluster(name) => Course::Refuse(Reason::WholeServer),
        _ => Course::Other,
    }
}

fn is_of_users(name: &str) -> bool {
    matches!(
        name,
        "createRole"
            | "createUser"
            | "dropAllRolesFromDatabase"
            | "dropAllUsersFromDatabase"
            | "dropRole"
            | "dropUser"
            | "grantPrivilegesToRole"
            | "grantRolesToRole"
            | "grantRolesToUser"
            | "invalidateUserCache"
            | "revokePrivilegesFromRole"
            | "revokeRolesFromRole"
            | "revokeRolesFromUser"
            | "rolesInfo"
            | "updateRole"
            | "updateUser"
            | "usersInfo"
            | "_mergeAuthzCollections"
    )
}

/// What shows or changes the server, or runs where no role looks.
fn is_of_server(name: &str) -> bool {
    matches!(
        name,
        "$eval"
            | "applyOps"
            | "clone"
            | "cloneCollection"
            | "configureFailPoint"
            | "connPoolStats"
            | "connPoolSync"
            | "copydb"
            | "currentOp"
            | "cursorInfo"
            | "diagLogging"
            | "dropConnections"
            | "eval"
            | "fsync"
            | "fsyncUnlock"
            | "getAuditConfig"
            | "getClusterParameter"
            | "getCmdLineOpts"
            | "getDefaultRWConcern"
            | "getFreeMonitoringStatus"
            | "getLog"
            | "getParameter"
            | "hostInfo"
            | "killOp"
            | "lockInfo"
            | "logApplicationMessage"
            | "logMessage"
            | "logRotate"
            | "netstat"
            | "oidReset"
            | "removeQuerySettings"
            | "repairDatabase"
            | "rotateCertificates"
            | "serverStatus"
            | "setAuditConfig"
            | "setClusterParameter"
            | "setCommittedSnapshot"
            | "setDefaultRWConcern"
            | "setFeatureCompatibilityVersion"
            | "setFreeMonitoring"
            | "setParameter"
            | "setQuerySettings"
            | "setUserWriteBlockMode"
            | "shardConnPoolStats"
            | "shutdown"
            | "top"
            | "touch"
            | "validateDBMetadata"
            | "waitForFailPoint"
    )
}

/// Replication and sharding. What begins with `_` is what members of a cluster send one another.
fn is_of_cluster(name: &str) -> bool {
    name.starts_with('_')
        || name.starts_with("replSet")
        || name.starts_with("balancer")
        || matches!(
            name,
            "abortMoveCollection"
                | "abortReshardCollection"
                | "abortUnshardCollection"
                | "addShard"
                | "addShardToZone"
                | "analyzeShardKey"
                | "appendOplogNote"
                | "checkMetadataConsistency"
                | "checkShardingIndex"
                | "cleanupOrphaned"
                | "cleanupReshardCollection"
                | "clearJumboFlag"
                | "clusterAbortTransaction"
                | "clusterCommitTransaction"
                | "commitReshardCollection"
                | "commitTransitionToDedicatedConfigServer"
                | "configureCollectionBalancing"
                | "configureQueryAnalyzer"
                | "coordinateCommitTransaction"
                | "enableSharding"
                | "flushRouterConfig"
                | "getShardMap"
                | "getShardVersion"
                | "internalRenameIfOptionsAndIndexesMatch"
                | "listShards"
                | "mergeAllChunksOnShard"
                | "mergeChunks"
                | "moveChunk"
                | "moveCollection"
                | "movePrimary"
                | "moveRange"
                | "prepareTransaction"
                | "refineCollectionShardKey"
                | "removeShard"
                | "removeShardFromZone"
                | "repairShardedCollectionChunksHistory"
                | "resetPlacementHistory"
                | "reshardCollection"
                | "setAllowMigrations"
                | "setIndexCommitQuorum"
                | "setShardVersion"
                | "shardCollection"
                | "shardingState"
                | "split"
                | "splitChunk"
                | "splitVector"
                | "transitionFromDedicatedConfigServer"
                | "transitionToDedicatedConfigServer"
                | "unsetSharding"
                | "unshardCollection"
                | "untrackUnshardedCollection"
                | "updateZoneKeyRange"
        )
}
