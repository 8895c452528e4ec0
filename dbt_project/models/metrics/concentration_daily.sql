{{ concentration('daily') }}
