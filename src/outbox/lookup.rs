//! The resolver of the operating system, with few lookups at a time.
//!
//! The system cannot be told to give up: a lookup of a name whose server does not answer holds a thread for half a minute, however
//! long ago its caller did. All lookups of this process, those of providers too, share one pool of threads (512, tokio's default).

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, ToSocketAddrs},
    sync::{Arc, Weak},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::addresses::Resolver;

/// Most lookups under way for webhooks, a quarter of the threads of the pool.
const LOOKUPS_MAX: usize = 128;
/// Most lookups of one name under way: the endpoints of one client, 20 at most, cannot take all.
const LOOKUPS_OF_NAME: usize = 2;

/// The resolver of the operating system. A lookup keeps its place until the system has answered; a caller that finds none waits.
#[derive(Debug)]
pub struct SystemResolver {
    all: Arc<Semaphore>,
    by_name: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(LOOKUPS_MAX)), by_name: Mutex::default() }
    }
}

impl SystemResolver {
    /// The places of one name. They are forgotten when the last one is given back.
    fn places_of(&self, name: &str) -> Arc<Semaphore> {
        let mut by_name = self.by_name.lock();
        by_name.retain(|_, places| places.strong_count() > 0);
        if let Some(places) = by_name.get(name).and_then(Weak::upgrade) {
            return places;
        }
        let places = Arc::new(Semaphore::new(LOOKUPS_OF_NAME));
        by_name.insert(name.to_owned(), Arc::downgrade(&places));
        places
    }

    /// Runs work about a name that blocks a thread.
    async fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let of_name = self.places_of(name).acquire_owned().await.map_err(io::Error::other)?;
        let of_all = Arc::clone(&self.all).acquire_owned().await.map_err(io::Error::other)?;
        let held = move || {
            let _places = (of_name, of_all);
            work()
        };
        tokio::task::spawn_blocking(held).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let name = host.to_owned();
        let look = move || Ok((name.as_str(), 0).to_socket_addrs()?.map(|address| address.ip()).collect());
        self.run(host, look).await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Barrier,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        time::Duration,
    };

    use super::*;

    /// Callers give up at once, and the lookups they began hold their threads.
    #[tokio::test]
    async fn a_name_that_is_never_answered_takes_two_threads() {
        let resolver = SystemResolver::default();
        let (started, barrier) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(3)));
        let (tell, told) = mpsc::channel::<()>();
        for _ in 0..40 {
            let (counted, barrier, tell) = (Arc::clone(&started), Arc::clone(&barrier), tell.clone());
            let never = move || {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = tell.send(());
                barrier.wait();
                Ok(())
            };
            let given_up =
                tokio::time::timeout(Duration::from_millis(1), resolver.run("dead.example", never));
            assert!(given_up.await.is_err());
        }
        for _ in 0..LOOKUPS_OF_NAME {
            told.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        assert_eq!(started.load(Ordering::SeqCst), LOOKUPS_OF_NAME);
        assert_eq!(resolver.run("alive.example", || Ok(7)).await.unwrap(), 7, "another name is looked up");
        let again = tokio::spawn(async move { resolver.run("dead.example", || Ok(8)).await });
        barrier.wait();
        assert_eq!(again.await.unwrap().unwrap(), 8, "the places come back when the system has answered");
    }

    #[tokio::test]
    async fn names_are_forgotten() {
        let resolver = SystemResolver::default();
        for number in 0..100 {
            resolver.run(&format!("{number}.example"), || Ok(())).await.unwrap();
        }
        assert!(resolver.by_name.lock().len() <= 2);
    }
}
