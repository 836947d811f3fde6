//! Where the channels of images are.

crate::keywords! {
    /// Which axis of the data has the channels. Keras writes none for its default, the last.
    pub enum DataFormat {
        /// `[batch, spatial..., channels]`
        ChannelsLast = "channels_last",
        /// `[batch, channels, spatial...]`
        ChannelsFirst = "channels_first",
    }
}
