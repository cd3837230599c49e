//! What waits for the writer: bounded in number and in bytes. Where there is no room, whoever reads
//! from the broker waits, the network fills up, and the broker keeps the rest.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::subscriber::Item;

/// The most bytes that messages may take from their arrival to their commit. A window of 65,535
/// heartbeats of 120 bytes takes about half of it.
pub const MAX_BYTES: u32 = 64 * 1024 * 1024;

/// The writer has ended, and with it the lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the writer has ended")]
pub struct WriterEnded;

/// Makes a queue for so many items.
#[must_use]
pub fn queue(max_items: usize) -> (Sender, Receiver) {
    let (sender, receiver) = mpsc::channel(max_items);
    let room = Arc::new(Semaphore::new(MAX_BYTES as usize));
    (
        Sender {
            items: sender,
            room: Arc::clone(&room),
        },
        Receiver {
            items: receiver,
            room,
        },
    )
}

/// The end that the connection fills.
#[derive(Clone)]
pub struct Sender {
    items: mpsc::Sender<Item>,
    room: Arc<Semaphore>,
}

impl Sender {
    /// Hands an item over, in order, once there is room for it.
    ///
    /// # Errors
    /// When there is no writer any more.
    pub async fn send(&self, item: Item) -> Result<(), WriterEnded> {
        let bytes = bytes_of(&item);
        let room = self.room.acquire_many(bytes).await;
        let room = room.map_err(|_| WriterEnded)?;
        let place = self.items.reserve().await.map_err(|_| WriterEnded)?;
        // From here on nothing waits, so whoever gives up waiting takes no room with him.
        room.forget();
        place.send(item);
        Ok(())
    }
}

/// The end that the writer empties.
pub struct Receiver {
    items: mpsc::Receiver<Item>,
    room: Arc<Semaphore>,
}

impl Receiver {
    /// Takes up to `limit` items more, waiting for the first. Returns how many; 0 when nothing
    /// more will come.
    pub async fn take(&mut self, batch: &mut Vec<Item>, limit: usize) -> usize {
        self.items.recv_many(batch, limit).await
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Gives room back, once the items that took it are committed.
    pub fn release(&self, bytes: usize) {
        self.room.add_permits(bytes);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.room.close();
    }
}

/// How much room an item takes.
#[must_use]
pub fn bytes_of(item: &Item) -> u32 {
    match item {
        Item::Delivered(delivered) => delivered.bytes.min(MAX_BYTES),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriber::{Content, Delivered};

    fn message(bytes: u32) -> Item {
        Item::Delivered(Delivered {
            received_at: model::Instant::default(),
            packet_id: Some(1),
            content: Content::Nothing,
            bytes,
        })
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_come_back() {
        let (sender, mut receiver) = queue(10);
        sender.send(message(MAX_BYTES - 10)).await.unwrap();
        sender.send(message(10)).await.unwrap();
        let mut third = std::pin::pin!(sender.send(message(1)));
        let soon = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut third).await.is_err());
        let mut batch = Vec::new();
        assert_eq!(receiver.take(&mut batch, 10).await, 2);
        let taken: u32 = batch.iter().map(bytes_of).sum();
        receiver.release(taken as usize);
        third.await.unwrap();
        // larger than everything there is: it goes alone
        assert_eq!(receiver.take(&mut batch, 10).await, 1);
        receiver.release(1);
        sender.send(message(u32::MAX)).await.unwrap();
    }

    #[tokio::test]
    async fn whoever_gives_up_waiting_takes_no_room() {
        let (sender, mut receiver) = queue(1);
        sender.send(message(1)).await.unwrap();
        let soon = std::time::Duration::from_millis(5);
        for _ in 0..3 {
            let waiting = sender.send(message(MAX_BYTES - 1));
            assert!(tokio::time::timeout(soon, waiting).await.is_err());
        }
        let mut batch = Vec::new();
        assert_eq!(receiver.take(&mut batch, 1).await, 1);
        receiver.release(1);
        sender.send(message(MAX_BYTES)).await.unwrap();
    }

    #[tokio::test]
    async fn nobody_waits_for_a_writer_that_has_ended() {
        let (sender, receiver) = queue(1);
        sender.send(message(MAX_BYTES)).await.unwrap();
        let waiting = sender.send(message(1));
        drop(receiver);
        assert_eq!(waiting.await, Err(WriterEnded));
    }
}
