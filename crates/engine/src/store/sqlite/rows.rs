//! Decodes SQLite's rows.

crate::store::sql::row_readers!(sqlx::sqlite::SqliteRow);
