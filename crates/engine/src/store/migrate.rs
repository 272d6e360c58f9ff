//! Bringing a database's tables up to date: forward only.

use sqlx::{
    SqlSafeStr,
    migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator},
};

use super::{StoreError, sql::failed};

/// Runs those of the migrations, numbered from 1, that are new. They are put together here because
/// sqlx's macro would need its whole macro crate.
pub(super) async fn migrate(
    connection: &mut impl Migrate,
    texts: &[(&'static str, &'static str)],
) -> Result<(), MigrateError> {
    let migration = |(number, (name, text)): (i64, &(&'static str, &'static str))| {
        let text = text.into_sql_str();
        Migration::new(number, (*name).into(), MigrationType::Simple, text, false)
    };
    let migrator = Migrator::with_migrations((1..).zip(texts).map(migration).collect());
    // Not `run`: the future it makes of a borrowed connection is not `Send`.
    migrator.run_direct(None, connection, false).await
}

/// Why the tables could not be brought up to date.
pub(super) fn not_migrated(error: MigrateError) -> StoreError {
    let setup = |message: String, error: MigrateError| StoreError::Setup {
        message,
        source: Some(error.into()),
    };
    #[expect(clippy::wildcard_enum_match_arm, reason = "sqlx's error type is open: it grows")]
    match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
            failed("bringing the tables up to date")(error)
        }
        MigrateError::VersionMissing(version) => setup(
            format!(
                "its tables are newer than this program (migration {version}): run the program \
                 that made them, or a later one"
            ),
            error,
        ),
        MigrateError::VersionMismatch(version) => setup(
            format!(
                "its tables were made by another build of this program (migration {version} \
                 differs): use a new database, or that build"
            ),
            error,
        ),
        other => setup("its tables could not be brought up to date".to_owned(), other),
    }
}
